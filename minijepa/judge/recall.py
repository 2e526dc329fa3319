"""Score anticipation: class-mean recall at 5, and what is selected when the best of many heads is reported.

Official file: evals/action_anticipation_frozen/metrics.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


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


def class_mean_recall(logits: Float[Tensor, "b k"], labels: Int[Tensor, "b"], top: int = 5) -> Recall:
    """Compute the class-mean recall at `top`.

    Scores are the sigmoids of the logits, those of classes that no label names set to 0 first, so that absent
    classes take no place among the best. A class counts once however many clips it has; classes without a clip do not
    count.

    Differs: the sigmoid is taken in float64. In float32, as released, logits above 17 all give 1 and tie.

    Args:
        logits: of all validation clips; a part of them has other classes and gives another number.
        labels: their class indices.
        top: guesses a clip.

    Returns:
        Recall and accuracy in 0 .. 1, with the counts behind them.

    Raises:
        ValueError: no clip, or a label beyond the classes.
    """
    classes = logits.shape[1]
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= classes:
        wanted = f"at least one clip and labels from 0 to {classes - 1}"
        mend = "drop the clips whose action was never seen in training, as the readers do"
        raise ValueError(f"class_mean_recall: expected {wanted}, got {labels.unique().tolist()}; {mend}")
    present = torch.zeros(classes, dtype=torch.bool, device=logits.device).index_fill(0, labels, True)
    scores = logits.double().sigmoid() * present
    guesses = scores.topk(min(top, classes), dim=1).indices
    hit = (guesses == labels[:, None]).any(1).double()
    hits = torch.zeros(classes, dtype=torch.float64, device=logits.device).index_add(0, labels, hit)
    counts = labels.bincount(minlength=classes)
    recall = (hits[present] / counts[present]).mean()
    return Recall(float(recall), float(hit.mean()), int(present.sum()), len(labels))


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
