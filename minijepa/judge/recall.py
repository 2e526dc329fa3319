"""Score anticipation: class-mean recall at 5, and what is selected when the best of many heads is reported.

Official file: evals/action_anticipation_frozen/metrics.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minijepa.model.probe import ActionLogits


class Recall(NamedTuple):
    """Report how often the true class is among the best guesses."""

    recall: float  # mean over the classes that occur, each counting the same: the published number / 100
    accuracy: float  # mean over the clips
    classes: int  # classes that occur, over which recall was averaged
    clips: int  # over which accuracy was averaged


class Selected(NamedTuple):
    """Report the best head of one metric, chosen on the very clips that give its number."""

    head: int  # index of the head
    recall: float  # its recall on the validation clips: too high as an estimate, since it was the best of `heads`
    heads: int  # among which it was chosen


def class_mean_recall(scores: Float[Tensor, "n k"], labels: Int[Tensor, "n"], top: int = 5) -> Recall:
    """Compute the class-mean recall at `top`.

    Classes that no label names take no place among the best guesses. A class counts once however many clips it has;
    classes without a clip do not count.

    Differs: the official code ranks the float32 sigmoids of the logits, with those of absent classes set to 0. The
    sigmoid keeps the order, so logits may be given here as they are; but in float32 all logits above 17 give 1 and tie.

    Args:
        scores: logits or probabilities of all n validation clips; a part of them has other classes and gives another
            number.
        labels: their class indices.
        top: guesses a clip.

    Returns:
        Recall and accuracy in 0 .. 1, with the counts behind them.

    Raises:
        ValueError: no clip, or a label beyond the classes.
    """
    classes = scores.shape[1]
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= classes:
        wanted = f"at least one clip and labels from 0 to {classes - 1}"
        mend = "drop the clips whose action was never seen in training, as the readers do"
        raise ValueError(f"class_mean_recall: expected {wanted}, got {labels.unique().tolist()}; {mend}")
    counts = labels.bincount(minlength=classes)
    present = counts > 0
    guesses = scores.masked_fill(~present, -torch.inf).topk(min(top, classes), dim=1).indices
    hit = (guesses == labels[:, None]).any(1)
    hits = labels[hit].bincount(minlength=classes)
    recall = (hits[present].double() / counts[present]).mean()
    return Recall(float(recall), int(hit.sum()) / len(labels), int(present.sum()), len(labels))


def action_recalls(scores: ActionLogits, labels: Int[Tensor, "n 3"], top: int = 5) -> dict[str, Recall]:
    """Compute the class-mean recall of verb, noun and action; the columns of the labels have this order.

    Raises ValueError as ``class_mean_recall``.
    """
    return {name: class_mean_recall(part, labels[:, i], top) for i, (name, part) in enumerate(scores._asdict().items())}


def action_score(scores: ActionLogits, labels: Int[Tensor, "n 3"]) -> float:
    """Return the action recall at 5, by which ``train.attentive.select_head`` can choose a head."""
    return action_recalls(scores, labels)["action"].recall


def select_per_metric(recalls: dict[str, Sequence[float]]) -> dict[str, Selected]:
    """Choose the best head of each metric by itself, as the released evaluation reports verb, noun and action.

    Verb, noun and action may then come from different heads, so that no single probe has all three numbers. The choice is made
    on the clips that are scored; `select_one` is the stricter report.

    Args:
        recalls: {"verb": one recall a head, "noun": …, "action": …}.

    Returns:
        {"verb": …, …}; the first of equal heads.

    Raises:
        ValueError: no head, or metrics of different numbers of heads.
    """
    _require_heads(recalls)
    return {name: _pick(values, max(range(len(values)), key=values.__getitem__)) for name, values in recalls.items()}


def select_one(recalls: dict[str, Sequence[float]], by: str = "action") -> dict[str, Selected]:
    """Choose one head by one metric and report all metrics of that head.

    Raises:
        ValueError: as `select_per_metric`; no metric of the name `by`.
    """
    _require_heads(recalls)
    if by not in recalls:
        raise ValueError(f"select_one: expected by to be one of {', '.join(recalls)}, got {by!r}; name a metric that is there")
    best = max(range(len(recalls[by])), key=recalls[by].__getitem__)
    return {name: _pick(values, best) for name, values in recalls.items()}


def _pick(values: Sequence[float], head: int) -> Selected:
    return Selected(head, values[head], len(values))


def _require_heads(recalls: dict[str, Sequence[float]]) -> None:
    counts = {len(values) for values in recalls.values()}
    if len(counts) != 1 or counts == {0}:
        got = {name: len(values) for name, values in recalls.items()}
        raise ValueError(
            f"recalls: expected the same number of heads, at least 1, for each metric, got {got}; score every head"
        )
