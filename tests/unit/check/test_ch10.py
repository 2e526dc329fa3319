"""The graders of chapter 10 accept the library's answers and name what is wrong with others."""

import math

import pytest
import torch

from minijepa.check import ch10
from minijepa.judge.anticipation import Window, anchor_frame
from minijepa.judge.recall import class_mean_recall


def mean_over_clips(scores, labels, top):
    return class_mean_recall(scores, labels, top).accuracy


def with_absent(scores, labels, top):
    """Let classes without a clip take places among the guesses."""
    hit = (scores.topk(top, dim=1).indices == labels[:, None]).any(1).float()
    return torch.stack([hit[labels == label].mean() for label in labels.unique()]).mean()


def over_all(scores, labels, top):
    return class_mean_recall(scores, labels, top).recall * len(labels.unique()) / scores.shape[1]


def test_the_library_passes():
    assert ch10.views(lambda logits: logits.softmax(-1).mean(1)).passed
    assert ch10.anchor(lambda start, stop, point: anchor_frame((start, stop), Window(point=point))).passed
    assert ch10.anchor(lambda start, stop, point: int(start + point * (stop - start))).passed  # whole frames will do
    assert ch10.recall(lambda scores, labels, top: class_mean_recall(scores, labels, top).recall).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda x: x.mean(1).softmax(-1), "averaged the logits first"),
        (lambda x: x.mean(1), "softmax is missing"),
        (lambda x: x.softmax(-1).sum(1), "sums over the views"),
        (lambda x: x.softmax(1).mean(1), "runs over the views"),
        (lambda x: x[:, 0].softmax(-1), "first view"),
        (lambda x: x.softmax(-1).amax(1), "most certain"),
        (lambda x: x.softmax(-1), "shape"),
        (lambda x: x.softmax(-1).median(1).values, "add up to one"),
        (lambda x: None, "None"),
        (lambda x: x.softmax(-1).mean(1) * math.nan, "NaN"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_views(wrong, diagnosis):
    verdict = ch10.views(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda a, b, p: anchor_frame((a, b), Window(point=p, anchor="released")), "released formula"),
        (lambda a, b, p: p * (b - a) if p else a, "left out the start"),
        (lambda a, b, p: a, "expected 125, got 100"),
        (lambda a, b, p: None, "None"),
        (lambda a, b, p: math.nan, "NaN"),
        (lambda a, b, p: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_anchor(wrong, diagnosis):
    verdict = ch10.anchor(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (mean_over_clips, "mean over clips"),
        (with_absent, "took places among the guesses"),
        (over_all, "divided by all classes"),
        (lambda s, y, k: 0.5, "expected"),
        (lambda s, y, k: 40.0, "between 0 and 1"),
        (lambda s, y, k: None, "None"),
        (lambda s, y, k: math.nan, "NaN"),
        (lambda s, y, k: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_recall(wrong, diagnosis):
    verdict = ch10.recall(wrong)
    assert not verdict.passed and diagnosis in verdict.message
