"""The graders of chapter 07 accept the library's answers and name what is wrong with others."""

import pytest
import torch

from minijepa.check import ch07
from minijepa.train import health, regularise


def library_spread(features):
    return regularise.variance_covariance(features).variance


def test_the_library_passes():
    assert ch07.yardstick(health.constant_loss).passed
    assert ch07.rank(health.effective_rank).passed
    assert ch07.spread(library_spread).passed


def test_other_right_answers_pass():
    assert ch07.yardstick(lambda t: (t - t.flatten(0, 1).median(0).values).abs().mean()).passed  # a tensor is welcome
    assert ch07.spread(lambda z: torch.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()).passed


def guess(constant):
    return lambda targets: (targets - constant(targets)).abs().mean().item()


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (guess(lambda t: t.flatten(0, 1).mean(0)), "you guess the mean"),
        (guess(lambda t: t.median()), "one number for all channels"),
        (guess(lambda t: t.median(1, keepdim=True).values), "one constant a clip"),
        (guess(lambda t: t.median(0).values), "one constant a place"),
        (guess(lambda t: 0), "guessing zero"),
        (lambda t: health.constant_loss(t) * 6, "sum over channels"),
        (lambda t: (t - t.flatten(0, 1).median(0).values).square().mean(), "squared"),
        (lambda t: health.constant_loss(t) + 0.1, "expected"),
        (lambda t: t.abs().mean(0), "shape"),
        (lambda t: "0.5", "should be a number"),
        (lambda t: None, "None"),
        (lambda t: float("nan"), "NaN"),
        (lambda t: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_yardstick(wrong, diagnosis):
    verdict = ch07.yardstick(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def shares(z, centre=True, power=1):
    singular = torch.linalg.svdvals(z - z.mean(0) * centre) ** power
    return singular / singular.sum()


def entropy(share):
    return torch.special.entr(share).sum()


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda z: entropy(shares(z, centre=False)).exp().item(), "not centred"),
        (lambda z: entropy(shares(z)).item(), "take its exponential"),
        (lambda z: entropy(shares(z)).item() / 0.6931472, "in bits"),
        (lambda z: entropy(shares(z, power=2)).exp().item(), "squared singular values"),
        (lambda z: (1 / shares(z).square().sum()).item(), "participation ratio"),
        (lambda z: int(torch.linalg.matrix_rank(z - z.mean(0))), "not exactly zero"),
        (lambda z: health.effective_rank(z) + 1, "expected"),
        (lambda z: entropy(shares(z)).exp().item(), "NaN"),  # 0/0 for equal vectors
        (lambda z: None, "None"),
        (lambda z: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_rank(wrong, diagnosis):
    verdict = ch07.rank(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda z: (1 - (z.var(0) + 1e-4).sqrt()).mean(), "clamp"),
        (lambda z: (1 - (z.var(0) + 1e-4).sqrt()).clamp_min(0).sum(), "sum over channels"),
        (lambda z: (1 - z.var(0)).clamp_min(0).mean(), "compared the variance"),
        (lambda z: (1 - (z.var(1) + 1e-4).sqrt()).clamp_min(0).mean(), "each sample over its channels"),
        (lambda z: (1 - (z.var(0) + 1e-4).sqrt()).clamp_min(0).square().mean(), "no square"),
        (lambda z: (1 - z.var(0).sqrt()).clamp_min(0).mean(), "under the square root"),
        (lambda z: library_spread(z).detach(), "no gradient"),
        (lambda z: library_spread(z) + 0.1, "expected"),
        (lambda z: library_spread(z).item(), "should be a torch.Tensor"),
        (lambda z: None, "None"),
        (lambda z: library_spread(z) * float("nan"), "NaN"),
        (lambda z: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_spread(wrong, diagnosis):
    verdict = ch07.spread(wrong)
    assert not verdict.passed and diagnosis in verdict.message
