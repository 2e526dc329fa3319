"""The graders of chapter 06 accept the library's answers and name what is wrong with others."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.check import ch06
from minijepa.train import objective


def library_ema(teacher, student, momentum):
    return torch.lerp(teacher, student, 1 - momentum)


def test_the_library_passes():
    assert ch06.ema(library_ema).passed
    assert ch06.targets(objective.latent_targets).passed
    assert ch06.loss(objective.latent_loss).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda t, s, m: m * s + (1 - m) * t, "weighs the old teacher"),
        (lambda t, s, m: s, "jumped"),
        (lambda t, s, m: t, "did not move"),
        (lambda t, s, m: m * t + s, "expected momentum"),
        (lambda t, s, m: None, "None"),
        (lambda t, s, m: t / 0 * 0, "NaN"),
        (lambda t, s, m: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_ema(wrong, diagnosis):
    verdict = ch06.ema(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda e, v: e(v).detach(), "once more"),
        (lambda e, v: F.layer_norm(e(v), (64, 64)).detach(), "tokens and channels"),
        (lambda e, v: F.layer_norm(e(v), (64,)), "gradient could enter"),
        (lambda e, v: F.layer_norm(e(v).transpose(1, 2), (64,)).transpose(1, 2).detach(), "over the tokens"),
        (lambda e, v: e(v).mean(1).detach(), "shape"),
        (lambda e, v: None, "None"),
    ],
)
def test_targets(wrong, diagnosis):
    verdict = ch06.targets(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def without_norm(encoder, predictor, teacher, video, masks):
    return objective.masked_l1(encoder, predictor, teacher(video).detach(), video, masks)


def own_targets(encoder, predictor, teacher, video, masks):
    return objective.masked_l1(encoder, predictor, objective.latent_targets(encoder, video), video, masks)


def leaking(encoder, predictor, teacher, video, masks):
    return objective.masked_l1(encoder, predictor, F.layer_norm(teacher(video), (64,)), video, masks)


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (without_norm, "lack their layer norm"),
        (own_targets, "should come from the teacher"),
        (leaking, "gradient enters the teacher"),
        (lambda *a: 2 * objective.latent_loss(*a), "sum over masks"),
        (lambda *a: objective.latent_loss(*a[:4], a[4][:1]), "first mask"),
        (lambda *a: objective.latent_loss(*a).detach(), "no gradient"),
        (lambda *a: objective.latent_loss(*a) + 0.01, "section 3"),
        (lambda *a: None, "None"),
    ],
)
def test_loss(wrong, diagnosis):
    verdict = ch06.loss(wrong)
    assert not verdict.passed and diagnosis in verdict.message
