"""The graders of chapter 18 accept right answers and name what is wrong with others."""

import math

import pytest
import torch

from minijepa.check import ch18


def right_energy(latents, goal, blocks, weights):
    apart = (latents - goal).abs()
    return sum(weight * apart[:, blocks[name]].mean(1) for name, weight in weights.items() if name in blocks)


def energy_with(block):
    """Make an energy that treats the difference of a block (b, c) in another way."""

    def energy(latents, goal, blocks, weights):
        apart = latents - goal
        return sum(weight * block(apart[:, blocks[name]]) for name, weight in weights.items() if name in blocks)

    return energy


def right_schedule(stages, k):
    return [name for name, count in stages for _ in range(count)][k]


def right_relative(seen, goal, after, gripper):
    moved = seen + goal - after
    moved[:, gripper] = goal[:, gripper]
    return moved


def in_place(seen, goal, after, gripper):
    seen += goal - after
    seen[:, gripper] = goal[:, gripper]
    return seen


def views(change):
    """Make a goal whose gripper is right and whose views are not."""
    return lambda s, g, a, gripper: torch.cat((change(s, g, a)[:, :10], g[:, 10:]), 1)


def last_kept(stages, k):
    return right_schedule(stages, min(k, 7))


@pytest.mark.parametrize(
    ("grade", "fn"),
    [(ch18.energy, right_energy), (ch18.schedule, right_schedule), (ch18.schedule, last_kept), (ch18.relative, right_relative)],
)
def test_right_answers_pass(grade, fn):
    assert grade(fn).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (energy_with(lambda part: part.abs().sum(1)), "summed the channels"),
        (energy_with(lambda part: part.pow(2).mean(1)), "squared"),
        (energy_with(lambda part: part.mean(1)), "cancel"),
        (lambda z, g, blocks, w: right_energy(z, g, blocks, dict.fromkeys(w, 1.0)), "weights do nothing"),
        (lambda z, g, blocks, w: (z - g).abs().mean(1), "all channels at once"),
        (lambda z, g, blocks, w: right_energy(z, g, blocks, w) / len(w), "divided by the number"),
        (lambda z, g, blocks, w: 2 * right_energy(z, g, blocks, w), "expected the sum"),
        (lambda z, g, blocks, w: right_energy(z, g, blocks, {"wrist": 1.0, "gripper": 3.0, "side": 0.1}), "only blocks"),
        (lambda z, g, blocks, w: sum(w[name] * (z - g).abs()[:, blocks[name]].mean(1) for name in w), "KeyError"),
        (lambda z, g, blocks, w: right_energy(z, g, blocks, w)[0], "shape"),
        (lambda z, g, blocks, w: right_energy(z, g, blocks, w) * math.nan, "NaN"),
        (lambda z, g, blocks, w: None, "None"),
        (lambda z, g, blocks, w: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_energy(wrong, diagnosis):
    verdict = ch18.energy(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda stages, k: "lifted", "always return"),
        (lambda stages, k: right_schedule(stages, max(0, k - 1)), "too late"),
        (lambda stages, k: last_kept(stages, k + 1), "too early"),
        (lambda stages, k: stages[min(k, 3)][0], "one action a goal"),
        (lambda stages, k: right_schedule(stages, 7 - k), "action 0 should aim"),
        (lambda stages, k: right_schedule(stages, k % 8), "keep the last goal"),
        (lambda stages, k: k, "expected names"),
        (lambda stages, k: math.nan, "expected names"),
        (lambda stages, k: None, "None"),
        (lambda stages, k: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_schedule(wrong, diagnosis):
    verdict = ch18.schedule(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda s, g, a, gripper: g, "place in the picture"),
        (views(lambda s, g, a: s + a - g), "backwards"),
        (views(lambda s, g, a: g - a), "way alone"),
        (views(lambda s, g, a: s), "nothing would move"),
        (views(lambda s, g, a: s + g), "forgot to subtract"),
        (views(lambda s, g, a: 2 * g), "should aim at"),
        (lambda s, g, a, gripper: s + g - a, "never relative"),
        (lambda s, g, a, gripper: torch.cat(((s + g - a)[:, :10], s[:, 10:]), 1), "that of the goal"),
        (in_place, "clone"),
        (lambda s, g, a, gripper: s[0], "shape"),
        (lambda s, g, a, gripper: s * math.nan, "NaN"),
        (lambda s, g, a, gripper: None, "None"),
        (lambda s, g, a, gripper: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_relative(wrong, diagnosis):
    verdict = ch18.relative(wrong)
    assert not verdict.passed and diagnosis in verdict.message
