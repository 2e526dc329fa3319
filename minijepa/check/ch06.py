"""Graders of chapter 06: the teacher's update, the targets, and the loss."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder, gather_tokens
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import Future, Masks, Tube
from minijepa.train.objective import latent_loss, latent_targets, predict_hidden


@grader
def ema(fn: Callable) -> str:
    """Check a function (teacher, student, momentum) -> the teacher's new value."""
    teacher, student = torch.tensor([0.0, 4.0, -2.0]), torch.tensor([1.0, 0.0, 2.0])
    before = teacher.clone()
    answer = require_tensor(fn(teacher.clone(), student.clone(), 0.9), (3,), "the teacher")
    require(not close(answer, 0.1 * before + 0.9 * student), "momentum weighs the old teacher, you gave it to the student.")
    require(not close(answer, student), "the teacher jumped to the student: it should move by 1 - momentum of the way.")
    require(not close(answer, before), "the teacher did not move.")
    require(close(answer, 0.9 * before + 0.1 * student), "expected momentum * teacher + (1 - momentum) * student.")
    return "with momentum 0.9 the teacher goes a tenth of the way."


@grader
def targets(fn: Callable) -> str:
    """Check a function (teacher, video) -> (b, n, d) that makes the targets."""
    _, _, teacher, video, _ = networks()
    answer = require_tensor(fn(teacher, video), (2, 64, 64), "the targets")
    wanted = latent_targets(teacher, video)
    raw = teacher(video).detach()
    require(not close(answer, raw), "these are the teacher's tokens as they are: layer-norm them once more.")
    over_clip = F.layer_norm(raw, raw.shape[1:])
    require(not close(answer, over_clip), "you normalised over tokens and channels: each token has its own norm.")
    over_tokens = (raw - raw.mean(1, keepdim=True)) / (raw.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    require(not close(answer, over_tokens), "you normalised each channel over the tokens: normalise each token over channels.")
    require(close(answer, wanted, 1e-3), "expected the teacher's tokens, each with mean 0 and variance 1 over its channels.")
    require(not answer.requires_grad, "the numbers are right, but a gradient could enter the teacher: use torch.no_grad().")
    return "unit variance in every token, and no way for a gradient into the teacher."


@grader
def loss(fn: Callable) -> str:
    """Check a function (encoder, predictor, teacher, video, masks) -> scalar loss."""
    encoder, predictor, teacher, video, masks = networks()
    teacher.zero_grad(set_to_none=True)
    answer = require_tensor(fn(encoder, predictor, teacher, video, masks), (), "the loss")
    goal = latent_targets(teacher, video)
    for name, wrong in wrong_losses(encoder, predictor, teacher, video, masks, goal).items():
        require(not close(answer, wrong, 1e-5), name)
    wanted = latent_loss(encoder, predictor, teacher, video, masks)
    require(close(answer, wanted, 1e-5), f"expected {wanted.item():.4f}, got {answer.item():.4f}: go through section 3 again.")
    require(answer.requires_grad, "the number is right, but no gradient reaches the encoder.")
    answer.backward()
    leak = any(p.grad is not None for p in teacher.parameters())
    require(not leak, "the number is right, but a gradient enters the teacher.")
    require(any(p.grad is not None for p in encoder.parameters()), "no gradient reaches the encoder: did you detach it?")
    return "that is the whole of V-JEPA's loss."


def wrong_losses(encoder, predictor, teacher, video, masks, goal) -> dict[str, torch.Tensor]:
    """Return likely mistakes, each with its diagnosis."""
    guesses = [predict_hidden(encoder, predictor, video, mask) for mask in masks]
    hidden = [gather_tokens(goal, mask.targets) for mask in masks]
    raw = [gather_tokens(teacher(video), mask.targets) for mask in masks]
    own = [gather_tokens(F.layer_norm(encoder(video), (64,)), mask.targets) for mask in masks]
    normed = [F.layer_norm(guess, (64,)) for guess in guesses]
    l1 = [F.l1_loss(g, h) for g, h in zip(guesses, hidden, strict=True)]
    return {
        "that is the sum over masks: take their mean.": torch.stack(l1).sum(),
        "that is the loss of the first mask only.": l1[0],
        "that is the squared error: the loss is the absolute difference.": mean_of(F.mse_loss, guesses, hidden),
        "the targets lack their layer norm.": mean_of(F.l1_loss, guesses, raw),
        "the targets come from the encoder: they should come from the teacher.": mean_of(F.l1_loss, guesses, own),
        "you normalised the predictions too: only the targets are normalised.": mean_of(F.l1_loss, normed, hidden),
    }


def mean_of(distance: Callable, guesses: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
    """Return the mean distance over masks."""
    return torch.stack([distance(g, w) for g, w in zip(guesses, wanted, strict=True)]).mean()


def networks() -> tuple[VideoEncoder, MaskedPredictor, VideoEncoder, torch.Tensor, list[Masks]]:
    """Build small networks, two clips and two masks; the teacher differs from the encoder, as after some training."""
    generator = torch.Generator().manual_seed(6)
    encoder, teacher = (VideoEncoder(EncoderConfig.tiny(), generator) for _ in range(2))
    predictor = MaskedPredictor(PredictorConfig.tiny(), generator)
    with torch.no_grad():
        teacher.norm.weight.copy_(4 * torch.rand(64, generator=generator))  # so that a missing layer norm shows,
        teacher.norm.bias.copy_(torch.randn(64, generator=generator))  # and one over the wrong axes
        predictor.predictor_proj.weight.mul_(20)  # so that a norm of the predictions shows
    video = torch.randn(2, 3, 8, 32, 32, generator=generator)
    masks = [kind.draw((4, 4, 4), 2, generator) for kind in (Tube(), Future())]
    return encoder, predictor, teacher, video, masks
