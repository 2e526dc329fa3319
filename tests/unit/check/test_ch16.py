"""The graders of chapter 16 accept the library's answers and name what is wrong with others."""

import math

import numpy as np
import pytest
import torch

from minijepa.check import ch16
from minijepa.plan.pose import difference, euler_angles, rotation


def library_rows(times, frames, fps):
    wanted = times[0] + torch.arange(frames) / fps
    return (times[None] - wanted[:, None]).abs().argmin(1)


def library_faults(states):
    place, angles, closed = np.abs(states[:, :3]).max(), np.abs(states[:, 3:6]).max(), states[:, 6]
    found = {"place"} if place > 3 else set()
    found |= {"angles"} if angles > 2 * math.pi else set()
    wrong = closed.min() < -0.05 or closed.max() > 1.05 or closed.max() < 0.15 or closed[0] > 0.5
    return found | ({"gripper"} if wrong else set())


def with_turn(turn):
    return lambda s, e: torch.cat(((e - s)[:, :3], turn(s, e), (e - s)[:, 6:]), 1)


def matrices(s, e):
    return rotation(s[:, 3:6]), rotation(e[:, 3:6])


def hand(s, e):
    first, last = matrices(s, e)
    return euler_angles(first.mT @ last)


def backwards(s, e):
    first, last = matrices(s, e)
    return euler_angles(first @ last.mT)


def intrinsic(s, e):
    scipy = pytest.importorskip("scipy.spatial.transform")
    first, last = (scipy.Rotation.from_euler("XYZ", p[:, 3:6].numpy()) for p in (s, e))
    return torch.from_numpy((last * first.inv()).as_euler("XYZ"))


def place_in_hand(s, e):
    back = (rotation(s[:, 3:6]).mT @ (e - s)[:, :3, None])[..., 0]
    return torch.cat((back, difference(s, e)[:, 3:]), 1)


def test_the_library_passes():
    assert ch16.action(difference).passed
    assert ch16.rows(library_rows).passed
    assert ch16.faults(library_faults).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda s, e: e - s, "subtracted the angles"),
        (with_turn(lambda s, e: ((e - s)[:, 3:6] + math.pi) % (2 * math.pi) - math.pi), "wrapped"),
        (with_turn(hand), "as the hand sees it"),
        (with_turn(backwards), "from end to start"),
        (with_turn(intrinsic), "intrinsic"),
        (with_turn(lambda s, e: torch.zeros(6, 3)), "at all"),
        (place_in_hand, "hand's frame"),
        (lambda s, e: torch.cat(((s - e)[:, :3], difference(s, e)[:, 3:]), 1), "wrong way round"),
        (lambda s, e: torch.cat((e[:, :3], difference(s, e)[:, 3:]), 1), "first three"),
        (lambda s, e: torch.cat((difference(s, e)[:, :6], e[:, 6:]), 1), "not where it ends"),
        (lambda s, e: torch.cat((difference(s, e)[:, :6], (s - e)[:, 6:]), 1), "seventh"),
        (with_turn(lambda s, e: 2 * difference(s, e)[:, 3:6]), "the turn should be"),
        (lambda s, e: difference(s, e)[0], "shape"),
        (lambda s, e: None, "None"),
        (lambda s, e: difference(s, e) * math.nan, "NaN"),
        (lambda s, e: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_action(wrong, diagnosis):
    verdict = ch16.action(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def sorted_rows(right, less=0):
    return lambda t, n, fps: torch.searchsorted(t, t[0] + torch.arange(n) / fps, right=right) - less


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda t, n, fps: torch.arange(n) * math.ceil(60 / fps), "60 frames a second"),
        (lambda t, n, fps: torch.arange(n) * math.ceil(15 / fps), "every 4th"),
        (lambda t, n, fps: torch.arange(n) * (15 // fps), "every 3rd"),
        (lambda t, n, fps: (torch.arange(n) * 15 / fps).round().long(), "rounded"),
        (lambda t, n, fps: (t[None] - torch.arange(n)[:, None] / fps).abs().argmin(1), "begin at 0"),
        (sorted_rows(False), "behind each moment"),
        (sorted_rows(True, less=1), "before each moment"),
        (lambda t, n, fps: library_rows(t, n, 4), "another rate"),
        (lambda t, n, fps: library_rows(t, n, fps).flip(0), "nearest rows"),
        (lambda t, n, fps: t[library_rows(t, n, fps)], "whole"),
        (lambda t, n, fps: library_rows(t, n - 1, fps), "shape"),
        (lambda t, n, fps: library_rows(t, n, fps).tolist(), "torch.Tensor"),
        (lambda t, n, fps: t * math.nan, "whole"),
        (lambda t, n, fps: None, "None"),
        (lambda t, n, fps: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_rows(wrong, diagnosis):
    verdict = ch16.rows(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda s: set(), "millimetres: you missed place"),
        (lambda s: library_faults(s) - {"angles"}, "degrees: you missed angles"),
        (lambda s: library_faults(s) - {"gripper"}, "percent: you missed gripper"),
        (lambda s: {"gripper"} if s[:, 6].max() < 0.9 else library_faults(s), "holds a cube"),
        (lambda s: library_faults(s) | ({"angles"} if (np.abs(np.diff(s[:, 3])) > 3).any() else set()), "two names"),
        (lambda s: {"place", "angles", "gripper"}, "a good episode: angles, gripper, place"),
        (lambda s: library_faults(np.column_stack((s[:, :6], np.where(s[:, 6] < 0.1, 0, s[:, 6]).clip(0.2, 1)))), "percent"),
        (lambda s: library_faults(np.column_stack((s[:, :6], np.r_[0, s[1:, 6]]))), "1 is open: you missed gripper"),
        (lambda s: {"units"}, "expected names among"),
        (lambda s: True, "set of names"),
        (lambda s: None, "None"),
        (lambda s: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_faults(wrong, diagnosis):
    verdict = ch16.faults(wrong)
    assert not verdict.passed and diagnosis in verdict.message
