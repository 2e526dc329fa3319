"""Graders of chapter 07: the yardstick of a loss, the effective rank, and the variance term."""

from collections.abc import Callable

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.train.health import constant_loss, effective_rank
from minijepa.train.regularise import variance_covariance


@grader
def yardstick(fn: Callable) -> str:
    """Check a function targets (b, n, d) -> loss of the best constant guess."""
    generator = torch.Generator().manual_seed(7)
    targets = torch.empty(5, 7, 6).exponential_(generator=generator) * torch.arange(1.0, 7) - 2
    answer = number(fn(targets.clone()), "the yardstick")
    flat = targets.flatten(0, 1)
    for wrong, diagnosis in {
        l1(targets, flat.mean(0)): "you guess the mean: for absolute differences the best constant is the median.",
        l1(targets, flat.median()): "one number for all channels: every channel has a median of its own.",
        l1(targets, targets.median(1, keepdim=True).values): "one constant a clip: the guess may not look at the clip.",
        l1(targets, targets.median(0).values): "one constant a place: take the median over clips and tokens together.",
        l1(targets, torch.zeros(6)): "that is the loss of guessing zero; the median is a better constant.",
        l1(targets, flat.median(0).values) * 6: "sum over channels: the loss of chapter 06 is their mean.",
        (flat - flat.median(0).values).square().mean().item(): "that is the squared difference: V-JEPA's is absolute.",
    }.items():
        require(abs(answer - wrong) > 1e-4, diagnosis)
    wanted = constant_loss(targets)
    require(abs(answer - wanted) < 1e-4, f"expected {wanted:.4f}, got {answer:.4f}: mean |target - median of its channel|.")
    return "that is what a predictor has to beat."


@grader
def rank(fn: Callable) -> str:
    """Check a function features (clips, d) -> effective rank."""
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(40, 8, generator=generator) * torch.tensor([9.0, 6, 4, 2, 1, 1, 0.5, 0.1]) + 30
    answer = number(fn(features.clone()), "the rank")
    centred = features - features.mean(0)
    share = shares(torch.linalg.svdvals(centred))
    whole = shares(torch.linalg.svdvals(features))
    squared = shares(torch.linalg.svdvals(centred).square())
    entropy = torch.special.entr(share).sum()
    for wrong, diagnosis in {
        torch.special.entr(whole).sum().exp(): "the features are not centred: a shared offset counts as a direction.",
        entropy: "that is the entropy: take its exponential to get a number of directions.",
        entropy / torch.log(torch.tensor(2.0)): "that is the entropy in bits: take exp of the entropy in nats.",
        torch.special.entr(squared).sum().exp(): "you used squared singular values: RankMe takes them as they are.",
        (1 / share.square().sum()): "that is the participation ratio: RankMe takes the exponential of the entropy.",
        torch.tensor(8.0): "that counts the directions that are not exactly zero: weigh them by their size.",
    }.items():
        require(abs(answer - wrong.item()) > 1e-3, diagnosis)
    wanted = effective_rank(features)
    require(abs(answer - wanted) < 1e-2, f"expected {wanted:.2f}, got {answer:.2f}: exp of the entropy of the shares.")
    constant = number(fn(torch.ones(10, 4)), "the rank of ten equal vectors")
    require(constant < 1.01, f"ten equal vectors use no direction: expected about 1, got {constant:.2f}.")
    return "directions are counted by how much they are used."


@grader
def spread(fn: Callable) -> str:
    """Check a function features (samples, d) -> variance term of VICReg, a tensor."""
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(12, 5, generator=generator) * torch.tensor([3.0, 1.5, 0.7, 0.3, 0.0])
    answer = require_tensor(fn(features.clone()), (), "the variance term")
    centred = features - features.mean(0)
    variance = centred.square().sum(0) / 11
    std = (variance + 1e-4).sqrt()
    by_row = (features.var(1) + 1e-4).sqrt()
    for wrong, diagnosis in {
        (1 - std).mean(): "wide channels pay for narrow ones: a channel above 1 should cost nothing, so clamp at 0.",
        (1 - std).clamp_min(0).sum(): "that is the sum over channels: take their mean.",
        (1 - variance).clamp_min(0).mean(): "you compared the variance with 1: the term looks at its square root.",
        (1 - by_row).clamp_min(0).mean(): "you measured each sample over its channels: measure each channel over samples.",
        (1 - std).clamp_min(0).square().mean(): "no square: the term is max(0, 1 - std).",
    }.items():
        require(not close(answer, wrong, 1e-5), diagnosis)
    wanted = variance_covariance(features).variance
    require(close(answer, wanted, 3e-3), f"expected {wanted.item():.3f}, got {answer.item():.3f}.")
    collapsed = torch.ones(6, 5, requires_grad=True)
    term = require_tensor(fn(collapsed), (), "the term of a collapsed batch")
    require(term.requires_grad, "the number is right, but no gradient flows: nothing would be mended.")
    (gradient,) = torch.autograd.grad(term, collapsed)
    require(torch.isfinite(gradient).all(), "at std 0 the gradient is NaN: add 1e-4 under the square root.")
    return "a channel that says the same about every sample now costs something."


def number(answer: object, name: str) -> float:
    """Return a number or a scalar tensor as a float, or raise `NotYet`."""
    if isinstance(answer, Tensor):
        return require_tensor(answer, (), name).item()
    require(answer is not None, f"{name} is None: is there a return statement?")
    require(isinstance(answer, float | int), f"{name} should be a number, it is a {type(answer).__name__}.")
    return require_tensor(torch.tensor(float(answer)), (), name).item()


def l1(targets: Tensor, guess: Tensor) -> float:
    """Return the mean absolute difference."""
    return (targets - guess).abs().mean().item()


def shares(sizes: Tensor) -> Tensor:
    """Return sizes as shares of their sum."""
    return sizes / sizes.sum()
