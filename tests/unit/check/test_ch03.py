"""The graders of chapter 03 accept the library and name the typical mistakes."""

import pytest
from torch.nn import functional as F

from minijepa.check import ch03
from minijepa.show.cost import flops_by_part, parameters_by_part


def attention(q, k, v, scale=None, axis=-1):
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return scores.softmax(axis) @ v


def parameters(config, *without):
    return sum(number for part, number in parameters_by_part(config).items() if part not in without)


def flops(config, tokens, *without):
    return sum(number for part, number in flops_by_part(config, tokens).items() if part not in without)


WRONG = [
    (ch03.attend, lambda q, k, v: attention(q, k, v, scale=1), "not divided"),
    (ch03.attend, lambda q, k, v: attention(q, k, v, scale=1 / 16), "square root"),
    (ch03.attend, lambda q, k, v: attention(q, k, v, scale=48**-0.5), "whole width"),
    (ch03.attend, lambda q, k, v: attention(q, k, v, axis=-2), "over the queries"),
    (ch03.attend, lambda q, k, v: q @ k.transpose(-1, -2) / 4 @ v, "no softmax"),
    (ch03.attend, lambda q, k, v: v, "shape"),
    (ch03.attend, lambda q, k, v: None, "return"),
    (ch03.attend, lambda q, k, v: attention(q, k, v) * float("nan"), "NaN"),
    (ch03.attend, lambda q, k, v: q @ k, "RuntimeError"),
    (ch03.count_parameters, lambda c: parameters(c, "norms"), "norms are missing"),
    (ch03.count_parameters, lambda c: parameters(c, "patch embedding"), "patch embedding"),
    (ch03.count_parameters, lambda c: parameters(c) - 2 * c.width, "final norm"),
    (ch03.count_parameters, lambda c: parameters(c) - c.width - c.depth * (5 * c.width + c.hidden), "biases are missing"),
    (ch03.count_parameters, lambda c: parameters(c) + 7, "(+7)"),
    (ch03.count_parameters, lambda c: None, "return"),
    (ch03.count_parameters, lambda c: 1 // 0, "ZeroDivisionError"),
    (ch03.count_parameters, lambda c: float("nan"), "expected"),
    (ch03.count_flops, lambda c, n: flops(c, n) // 2, "half"),
    (ch03.count_flops, lambda c, n: flops(c, n, "scores and mixing"), "4 n"),
    (ch03.count_flops, lambda c, n: flops(c, n) - 2 * c.depth * n * n * c.width, "two products"),
    (ch03.count_flops, lambda c, n: flops(c, n, "patch embedding"), "patch embedding"),
    (ch03.count_flops, lambda c, n: None, "return"),
    (ch03.count_flops, lambda c, n: float("nan"), "expected"),
]


@pytest.mark.parametrize(
    "grade, fn",
    [
        (ch03.attend, F.scaled_dot_product_attention),
        (ch03.count_parameters, parameters),
        (ch03.count_flops, flops),
    ],
)
def test_library_passes(grade, fn):
    assert grade(fn).passed, grade(fn)


@pytest.mark.parametrize("grade, fn, part", WRONG)
def test_typical_mistake_is_named(grade, fn, part):
    verdict = grade(fn)
    assert not verdict.passed and part in verdict.message, verdict
