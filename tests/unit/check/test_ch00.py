"""The graders of chapter 00 accept the library and name the typical mistakes."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.check import ch00
from minijepa.train.health import nearest_clips
from minijepa.train.masks import first_ids, scatter


def hidden(context, n):
    return first_ids(~scatter(context, (1, 1, n)))


def most_similar(features, queries):
    return nearest_clips(features, queries, 1)[:, 0]


def raises(first, second):
    raise KeyError("no")


WRONG = [
    (ch00.hidden, lambda context, n: context, "visible tokens"),
    (ch00.hidden, lambda context, n: hidden(context, n)[0], "one row for each clip"),
    (ch00.hidden, lambda context, n: hidden(context, n)[:1].expand(3, -1), "first clip"),
    (ch00.hidden, lambda context, n: hidden(context, n).flip(1), "ascend"),
    (ch00.hidden, lambda context, n: hidden(context, n) + 1, "begin at 0"),
    (ch00.hidden, lambda context, n: ~scatter(context, (1, 1, n)), "whole numbers"),
    (ch00.hidden, lambda context, n: hidden(context, n) * float("nan"), "whole numbers"),
    (ch00.hidden, lambda context, n: None, "return"),
    (ch00.hidden, raises, "KeyError"),
    (ch00.most_similar, lambda f, q: ((q - f.mean(0)) @ (f - f.mean(0)).T).argmax(1), "long vectors"),
    (ch00.most_similar, lambda f, q: torch.cdist(q, f).argmin(1), "by distance"),
    (ch00.most_similar, lambda f, q: (F.normalize(q, dim=1) @ F.normalize(f, dim=1).T).argmax(1), "subtract the mean"),
    (ch00.most_similar, lambda f, q: nearest_clips(f, q, 40)[:, -1], "least similar"),
    (ch00.most_similar, lambda f, q: nearest_clips(f, q, 2), "shape"),
    (ch00.most_similar, lambda f, q: most_similar(f, q) * float("nan"), "NaN"),
    (ch00.most_similar, lambda f, q: None, "return"),
    (ch00.most_similar, raises, "KeyError"),
]


@pytest.mark.parametrize("grade, fn", [(ch00.hidden, hidden), (ch00.most_similar, most_similar)])
def test_library_passes(grade, fn):
    assert grade(fn).passed, grade(fn)


@pytest.mark.parametrize("grade, fn, part", WRONG)
def test_typical_mistake_is_named(grade, fn, part):
    verdict = grade(fn)
    assert not verdict.passed and part in verdict.message, verdict
