"""Graders of chapter 15: the library's answers pass, and each typical mistake is named."""

import math
import re

import pytest
import torch

from minijepa.check import ch15
from minijepa.study.pixel_world import euler
from minijepa.study.rival import affordable, price_ratio


def jumps(read_out, noise, steps):
    for i in range(steps):
        noise = read_out(noise, i / steps)
    return noise


def forgets_the_rest_of_the_way(read_out, noise, steps):
    for i in range(steps):
        noise = noise + (read_out(noise, i / steps) - noise) / steps
    return noise


def backwards(read_out, noise, steps):
    for i in range(steps):
        noise = noise + (read_out(noise, 1 - (i + 1) / steps) - noise) / (steps - i)
    return noise


def one_too_many(read_out, noise, steps):
    return read_out(euler(read_out, noise, steps), 1.0)


def looks_at_the_end(read_out, noise, steps):
    for i in range(steps):
        noise = noise + (read_out(noise, (i + 1) / steps) - noise) / (steps - i)
    return noise


@pytest.mark.parametrize("check, right", [(ch15.draw, euler), (ch15.buys, affordable), (ch15.dearer, price_ratio)])
def test_the_library_passes_and_nothing_else_ends_in_a_traceback(check, right):
    assert check(right).passed
    for wrong in (lambda *_: None, lambda *_: 1 / 0, lambda *_: math.nan, lambda *_: torch.full((2, 4, 6), math.nan)):
        assert not check(wrong).passed


@pytest.mark.parametrize(
    "wrong, says",
    [
        (jumps, "jumps to the end"),
        (forgets_the_rest_of_the_way, r"\(1 - tau\), or the end"),
        (backwards, "begin at tau = 0.75"),
        (one_too_many, "asked 5 times"),
        (looks_at_the_end, "at tau = 1"),
        (lambda read_out, noise, steps: [read_out(noise, k / steps) for k in range(steps)] and noise, "the noise that came in"),
        (lambda read_out, noise, steps: noise, "never asked"),
        (lambda read_out, noise, steps: euler(read_out, noise, steps)[0], "shape"),
    ],
)
def test_drawing(wrong, says):
    verdict = ch15.draw(wrong)
    assert not verdict.passed
    assert re.search(says, verdict.message), verdict


@pytest.mark.parametrize(
    "wrong, says",
    [
        (lambda costs, budget: max(4, int(48 * budget / costs[1])), "whatever is sampled"),
        (lambda costs, budget: affordable(costs, budget) + 1, "round down"),
        (lambda costs, budget: int(16 + 32 * (budget - costs[0]) / (costs[1] - costs[0])), "too few for elites"),
        (lambda costs, budget: 16 + 32 * (budget - costs[0]) / (costs[1] - costs[0]), "come whole"),
    ],
)
def test_budgets(wrong, says):
    verdict = ch15.buys(wrong)
    assert not verdict.passed and says in verdict.message, verdict


@pytest.mark.parametrize(
    "wrong, says",
    [
        (lambda ours, theirs: (ours[0] / theirs[0], 1.0), "upside down"),
        (lambda ours, theirs: (theirs[0] / ours[0],) * 2, "equals the first"),
        (lambda ours, theirs: (theirs[0] / ours[0], theirs[0] / theirs[1] / ours[0] * ours[1]), "count the iterations"),
        (lambda ours, theirs: (theirs[0] - ours[0], 1.0), "seconds of an action"),
        (lambda ours, theirs: theirs[0] / ours[0], "raised TypeError"),
    ],
)
def test_ratios(wrong, says):
    verdict = ch15.dearer(wrong)
    assert not verdict.passed and says in verdict.message, verdict
