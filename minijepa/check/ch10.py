"""Graders of chapter 10: average the views, place the anchor, count recall by class."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.judge.recall import class_mean_recall

ACTIONS = ((100, 200), (40, 40), (7, 12))  # first and last frame


@grader
def views(fn: Callable) -> str:
    """Check a function (logits (clips, views, classes)) -> probabilities (clips, classes), averaged over the views."""
    logits = 4 * torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(10))
    answer = require_tensor(fn(logits), (6, 5), "the probabilities")
    wrong = {
        "you averaged the logits first: one sure view then outvotes two others. Softmax each view, then average.": (
            logits.mean(1).softmax(-1)
        ),
        "those are mean logits: a softmax is missing.": logits.mean(1),
        "those are sums over the views: divide by their number, so that a clip's probabilities add up to one.": (
            logits.softmax(-1).sum(1)
        ),
        "your softmax runs over the views: it should run over the classes.": logits.softmax(1).mean(1),
        "you kept the first view only.": logits[:, 0].softmax(-1),
        "that is the most certain view, not the mean.": logits.softmax(-1).amax(1),
    }
    for diagnosis, other in wrong.items():
        require(not close(answer, other), diagnosis)
    require(close(answer.sum(-1), torch.ones(6)), "the probabilities of a clip should add up to one.")
    require(close(answer, logits.softmax(-1).mean(1)), "expected the mean over views of the softmax over classes.")
    return "every view has one voice, however loud its logits are."


@grader
def anchor(fn: Callable) -> str:
    """Check a function (start, stop, point) -> frame, with point 0 the first frame of the action and 1 the last."""
    for start, stop in ACTIONS:
        for point in (0.0, 0.25, 1.0):
            answer = fn(start, stop, point)
            require(answer is not None, "the anchor is None: is there a return statement?")
            answer, want = float(answer), start + point * (stop - start)
            require(math.isfinite(answer), f"an action from {start} to {stop} gives NaN or infinity.")
            swapped = start * point + (1 - point) * stop
            told = f"frames {start} to {stop}, point {point}: expected {want:g}, got {answer:g}"
            if abs(swapped - want) > 1:
                require(
                    abs(answer - swapped) > 1, f"{told}. That is the released formula: its point 0 is the END of the action."
                )
            if point and want > stop - start:
                shift = abs(answer - point * (stop - start)) > 1e-6
                require(shift, f"{told}. You left out the start: the anchor is counted from the beginning of the video.")
            require(abs(answer - want) <= 1, f"{told}.")
    return "point 0 is where the action begins, so a clip that ends before it has not seen it."


@grader
def recall(fn: Callable) -> str:
    """Check a function (scores (clips, classes), labels (clips,), top) -> class-mean recall in 0..1."""
    scores, labels = guesses()
    for top in (1, 2, 3):
        answer = fn(scores, labels, top)
        require(answer is not None, "the recall is None: is there a return statement?")
        answer = float(answer)
        require(math.isfinite(answer), "the recall is NaN or infinite: do you divide by a class without clips?")
        require(0 <= answer <= 1, f"a recall lies between 0 and 1, yours is {answer:.2f}.")
        want = class_mean_recall(scores, labels, top).recall
        for diagnosis, other in mistakes(scores, labels, top).items():
            require(abs(answer - other) > 1e-4 or abs(other - want) < 1e-4, diagnosis)
        require(abs(answer - want) < 1e-4, f"top {top}: expected {want:.3f}, got {answer:.3f}.")
    return "a rare class counts as much as a common one, and classes that never occur count nothing."


def guesses() -> tuple[Tensor, Tensor]:
    """Make 40 clips of 6 classes: class 0 is common and easy, 1 to 3 are rare, 4 and 5 never occur and score high."""
    generator = torch.Generator().manual_seed(110)
    labels = torch.tensor([0] * 28 + [1] * 6 + [2] * 4 + [3] * 2)
    scores = torch.randn(40, 6, generator=generator)
    scores[torch.arange(40), labels] += torch.where(labels == 0, 2.0, 0.6)
    scores[:, 4:] += 1.0
    return scores, labels


def mistakes(scores: Tensor, labels: Tensor, top: int) -> dict[str, float]:
    """Return what common misreadings of class-mean recall give."""
    present = labels.unique()
    kept = torch.full_like(scores, -torch.inf)
    kept[:, present] = scores[:, present]

    def by_class(ranked: Tensor) -> tuple[list[float], float]:
        hit = (ranked.topk(top, dim=1).indices == labels[:, None]).any(1).float()
        return [hit[labels == label].mean().item() for label in present], hit.mean().item()

    shares, over_clips = by_class(kept)
    loose, loose_clips = by_class(scores)
    clips = "that is the mean over clips: the common class decides it. Take the recall of each class, then their mean."
    return {
        clips: over_clips,
        clips + " And leave out classes that no label names.": loose_clips,
        "classes that no label names took places among the guesses: put their scores last first.": sum(loose) / len(loose),
        "you divided by all classes: only those that occur count.": sum(shares) / scores.shape[1],
        "that is the worst class, not the mean over classes.": min(shares),
    }
