"""The graders of chapter 17 accept right answers and name what is wrong with others."""

import math

import pytest
import torch

from minijepa.check import ch17
from minijepa.study.landscape import spearman


def told(first, second, weight):
    return (second - first) @ weight.T


def right_loss(a, b, m, w, d):
    return ((told(a, b, w) - m).abs() * (-d).exp() + d).mean()


def right_dream(change, z, actions):
    path = []
    for action in actions.unbind(1):
        z = z + change(z, action)
        path.append(z)
    return torch.stack(path, 1)


def test_right_answers_pass():
    assert ch17.inverse(right_loss).passed
    assert ch17.ranks(spearman).passed
    assert ch17.imagine(right_dream).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda a, b, m, w, d: ((told(a, b, w) - m).abs() * (-d).exp()).mean(), "doubt is free"),
        (lambda a, b, m, w, d: ((told(a, b, w) - m).abs() + d).mean(), "scales nothing"),
        (lambda a, b, m, w, d: (told(a, b, w) - m).abs().mean(), "not there at all"),
        (lambda a, b, m, w, d: ((told(a, b, w) - m).abs() * d.exp() + d).mean(), "wrong sign"),
        (lambda a, b, m, w, d: right_loss(b, a, m, w, d), "wrong way round"),
        (lambda a, b, m, w, d: ((told(a, b, w) - m).square() * (-d).exp() + d).mean(), "squared"),
        (lambda a, b, m, w, d: ((told(a, b, w) - m).abs() * (-d).exp() + d).sum(), "take the mean"),
        (lambda a, b, m, w, d: ((told(a, b, w) - m) * (-d).exp() + d).mean(), "absolute value"),
        (lambda a, b, m, w, d: 2 * right_loss(a, b, m, w, d), "expected"),
        (lambda a, b, m, w, d: (told(a, b, w) - m).abs(), "shape"),
        (lambda a, b, m, w, d: None, "None"),
        (lambda a, b, m, w, d: right_loss(a, b, m, w, d) * math.nan, "NaN"),
        (lambda a, b, m, w, d: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_inverse(wrong, diagnosis):
    verdict = ch17.inverse(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def pearson(x, y):
    return float(torch.corrcoef(torch.stack((x.double(), y.double())))[0, 1])


def untied(x, y):
    return pearson(x.argsort().argsort(), y.argsort().argsort())


def flat_is_one(x, y):
    return spearman(x, y) if len(set(x.tolist())) > 1 else 1.0


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (pearson, "of the values"),
        (lambda x, y: pearson(x.argsort(), y.argsort()), "once more"),
        (lambda x, y: -spearman(x, y), "sign is turned"),
        (lambda x, y: pearson(x.argsort().argsort(), y), "one list only"),
        (untied, "without ties"),
        (flat_is_one, "tells nothing"),
        (lambda x, y: 0.5, "expected"),
        (lambda x, y: None, "None"),
        (lambda x, y: math.nan, "NaN"),
        (lambda x, y: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_ranks(wrong, diagnosis):
    verdict = ch17.ranks(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def bare(change, z, actions):
    return right_dream(lambda z, a: change(z, a) - z, z, actions)


def late(change, z, actions):
    return torch.cat((z[:, None], right_dream(change, z, actions)[:, :-1]), 1)


def changes(change, z, actions):
    return torch.stack([change(z, action) for action in actions.unbind(1)], 1)


def in_place(change, z, actions):
    path = []
    for action in actions.unbind(1):
        z += change(z, action)
        path.append(z.clone())
    return torch.stack(path, 1)


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (bare, "add it to the latent"),
        (lambda c, z, a: right_dream(c, z, a[:, :1].expand(-1, 5, -1)), "the first action"),
        (late, "begins with the present"),
        (lambda c, z, a: z[:, None] + changes(c, z, a), "feed the prediction back"),
        (lambda c, z, a: z[:, None] + changes(c, z, a).cumsum(1), "at the imagined one"),
        (in_place, "changed the latent"),
        (lambda c, z, a: right_dream(c, z, a.flip(1)), "each latent should be"),
        (lambda c, z, a: right_dream(c, z, a)[:, -1], "shape"),
        (lambda c, z, a: None, "None"),
        (lambda c, z, a: right_dream(c, z, a) * math.nan, "NaN"),
        (lambda c, z, a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_imagine(wrong, diagnosis):
    verdict = ch17.imagine(wrong)
    assert not verdict.passed and diagnosis in verdict.message
