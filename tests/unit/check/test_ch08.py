"""The graders of chapter 08 accept the library's answers and name what is wrong with others."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from minijepa.check import ch08
from minijepa.intervals import wilson
from minijepa.train.fit_probe import LabelledFeatures, count_correct, fit_logistic, linear_probe
from minijepa.train.health import nearest_clips


def honest(train, validation, test):
    return linear_probe(*(LabelledFeatures(*s) for s in (train, validation, test))).accuracy


def peeking(train, validation, test):
    """Fit on the test clips themselves."""
    scaled = LabelledFeatures(test[0] / test[0].std(0), test[1])
    return count_correct(*fit_logistic(scaled, 1e-6), scaled) / len(test[1])


def plain(hits, n):
    rate = hits / n
    half = 1.959964 * math.sqrt(rate * (1 - rate) / n)
    return rate - half, rate + half


def test_the_library_passes():
    assert ch08.interval(wilson).passed
    assert ch08.neighbours(nearest_clips).passed
    assert ch08.probe(honest).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (plain, "standard errors"),
        (lambda h, n: (0.0, 1.0), "expected"),
        (lambda h, n: (0.9, 0.95), "should lie between"),
        (lambda h, n: None, "None"),
        (lambda h, n: (math.nan, 1.0), "NaN"),
        (lambda h, n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_interval(wrong, diagnosis):
    verdict = ch08.interval(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda f, q, k: (normalize(q) @ normalize(f).T).topk(k).indices, "mean feature"),
        (lambda f, q, k: ((q - f.mean(0)) @ (f - f.mean(0)).T).topk(k).indices, "dot products"),
        (lambda f, q, k: (-torch.cdist(q, f)).topk(k).indices, "by distance"),
        (lambda f, q, k: nearest_clips(f, q, k).flip(1), "best first"),
        (lambda f, q, k: nearest_clips(f, q, k)[:, :2], "shape"),
        (lambda f, q, k: None, "None"),
    ],
)
def test_neighbours(wrong, diagnosis):
    verdict = ch08.neighbours(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (peeking, "seen the answers"),
        (lambda a, b, c: 1 / 3, "standardise"),
        (lambda a, b, c: 87.0, "between 0 and 1"),
        (lambda a, b, c: float("nan"), "NaN"),
        (lambda a, b, c: None, "TypeError"),
    ],
)
def test_probe(wrong, diagnosis):
    verdict = ch08.probe(wrong)
    assert not verdict.passed and diagnosis in verdict.message
