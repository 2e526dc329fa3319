"""Graders of chapter 16: the action between two poses, the rows of a clip by their times, what is wrong with a data set."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.plan.pose import difference, euler_angles, rotation

NAMES = frozenset({"place", "angles", "gripper"})
START, RATE = 3.2, 15.0  # s and Hz, of the time stamps that the second grader makes


@grader
def action(fn: Callable) -> str:
    """Check a function (start (b, 7), end (b, 7)) -> the actions (b, 7) between poses, in the base frame."""
    start, end = _poses()
    answer = require_tensor(fn(start.clone(), end.clone()), (6, 7), "the actions")
    wanted = difference(start, end)
    for diagnosis, turn in _wrong_turns(start, end).items():
        require(not close(answer[:, 3:6], turn), diagnosis)
    back = (rotation(start[:, 3:6]).mT @ (end - start)[:, :3, None])[..., 0]
    require(not close(answer[:, :3], back), "your places are in the hand's frame: subtract them in the base frame.")
    require(not close(answer[:, :3], start[:, :3] - end[:, :3]), "your places are the wrong way round: end minus start.")
    require(close(answer[:, :3], wanted[:, :3]), "the first three numbers should be end minus start, in metres.")
    require(not close(answer[:, 6], end[:, 6]), "the gripper's number is its change, not where it ends.")
    require(close(answer[:, 6], wanted[:, 6]), "the seventh number should be the change of closedness: end minus start.")
    require(close(answer[:, 3:6], wanted[:, 3:6]), "the turn should be the angles of R(end) R(start)^T.")
    return "places and gripper subtract, rotations multiply: R(end) R(start)^T, in the base frame."


def _poses() -> tuple[Tensor, Tensor]:
    """Make six poses of a hand that points down, and where each of them ends; the first angle lies about pi."""
    g = torch.Generator().manual_seed(16)
    start = torch.rand(6, 7, generator=g, dtype=torch.float64)
    start[:, 3:6] = torch.tensor([3.05, 0.3, 0.4]) + 0.08 * torch.randn(6, 3, generator=g)
    end = start + 0.2 * torch.rand(6, 7, generator=g, dtype=torch.float64)
    end[:, 3] = -3.0
    return start, end


def _wrong_turns(start: Tensor, end: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for the three angles."""
    plain = (end - start)[:, 3:6]
    first, last = rotation(start[:, 3:6]), rotation(end[:, 3:6])
    intrinsic = [rotation(-pose[:, 3:6]).mT for pose in (start, end)]
    return {
        "you subtracted the angles: past pi the number jumps by a whole turn. Compare rotations.": plain,
        "you wrapped the difference of the angles: that mends the jump, but angles of a tilted hand do not subtract. "
        "Multiply matrices.": (plain + torch.pi) % (2 * torch.pi) - torch.pi,
        "that is R(start)^T R(end): the turn as the hand sees it. The base frame wants R(end) R(start)^T.": (
            euler_angles(first.mT @ last)
        ),
        "your turn leads from end to start: transpose the start's matrix, not the end's.": euler_angles(first @ last.mT),
        "you read the angles as intrinsic ('XYZ' in scipy): here they turn about fixed axes ('xyz').": (
            -euler_angles((intrinsic[1] @ intrinsic[0].mT).mT)
        ),
        "you did not turn the hand at all.": torch.zeros_like(plain),
    }


@grader
def rows(fn: Callable) -> str:
    """Check a function (times (n,) s, frames, fps) -> the rows (frames,) nearest to times[0], times[0] + 1/fps, …"""
    times = _times()
    answer = fn(times.clone(), 8, 4)
    require(answer is not None, "the rows are None: is there a return statement?")
    require(not isinstance(answer, Tensor) or not answer.is_floating_point(), "expected numbers of rows, whole; got floats.")
    answer = require_tensor(answer, (8,), "the rows")
    wanted = _nearest(times, times[0] + torch.arange(8) / 4)
    for diagnosis, other in _wrong_rows(times).items():
        require(not torch.equal(answer.long(), other), diagnosis)
    require(torch.equal(answer.long(), wanted), f"expected the nearest rows {wanted.tolist()}, got {answer.long().tolist()}.")
    slow = require_tensor(fn(times.clone(), 3, 2), (3,), "the rows of 3 frames at 2 Hz")
    require(
        torch.equal(slow.long(), _nearest(times, times[0] + torch.arange(3) / 2)),
        "at 4 Hz that is right, at another rate not: use fps and frames.",
    )
    return "each row is the one nearest to its moment, whatever the file plays at."


def _times() -> Tensor:
    """Make 130 time stamps at about 15 Hz, not from 0 on, with a camera's jitter of a few ms and two lost rows."""
    noise = 0.004 * torch.randn(132, generator=torch.Generator().manual_seed(161), dtype=torch.float64)
    times = START + torch.arange(132) / RATE + noise
    return torch.cat((times[:6], times[7:17], times[18:]))


def _nearest(times: Tensor, wanted: Tensor) -> Tensor:
    return (times[None] - wanted[:, None]).abs().argmin(1)


def _wrong_rows(times: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for eight frames at 4 Hz."""
    count, wanted = torch.arange(8), times[0] + torch.arange(8) / 4
    return {
        "that is every 15th row, one a second: a file's head says 60 frames a second, the rows come at 15.": count * 15,
        "that is every 4th row: 3.75 Hz where no row is lost, and wrong behind a lost one. Look at the times.": count * 4,
        "that is every 3rd row: 5 Hz. 15 is no multiple of 4; look at the times.": count * 3,
        "you rounded k * 15 / 4: right only while no row is lost. Look at the times.": (count * RATE / 4).round().long(),
        "your moments begin at 0, but the first row was taken at times[0].": _nearest(times, torch.arange(8) / 4),
        "you took the first row behind each moment: the nearest may lie before it.": torch.searchsorted(times, wanted),
        "you took the last row before each moment: the nearest may lie behind it.": (
            torch.searchsorted(times, wanted, right=True) - 1
        ),
    }


@grader
def faults(fn: Callable) -> str:
    """Check a function (states (f, 7)) -> the set of "place", "angles", "gripper" that cannot mean what training thinks."""
    for what, states, wanted, hint in _cases():
        answer = fn(states.copy())
        require(answer is not None, "the faults are None: return a set, an empty one where all is well.")
        require(isinstance(answer, set | frozenset | list | tuple), "expected a set of names.")
        require(set(answer) <= NAMES, f"expected names among {sorted(NAMES)}, got {sorted(map(str, set(answer) - NAMES))}.")
        missed, invented = wanted - set(answer), set(answer) - wanted
        require(not missed, f"{what}: you missed {', '.join(sorted(missed))}. {hint}")
        require(not invented, f"{what}: {', '.join(sorted(invented))} is all right there. {hint}")
    return "units and directions are found out, and what is odd but right is left alone."


def _cases() -> list[tuple[str, np.ndarray, set[str], str]]:
    """List episodes: what each is, its states, what is wrong with it, and a hint."""
    fine = _states()
    cases = [("a good episode", fine, set(), "Nothing is wrong with it.")]

    def broken(what: str, column: slice | int, change: Callable, wanted: set[str], hint: str) -> None:
        states = fine.copy()
        states[:, column] = change(states[:, column])
        cases.append((what, states, wanted, hint))

    flip = np.where(np.arange(len(fine)) % 2, np.pi - 0.01, 0.01 - np.pi)
    broken("a roll that jumps between pi and -pi", 3, lambda _: flip, set(), "That is one rotation with two names.")
    broken("a hand that stops at 0.45", 6, lambda c: 0.45 * c, set(), "It holds a cube: it closes as far as it can.")
    broken("a place in millimetres", slice(0, 3), lambda p: 1000 * p, {"place"}, "No hand is 3 m from its base.")
    broken("angles in degrees", slice(3, 6), np.rad2deg, {"angles"}, "Radians stay within a turn, 2 pi.")
    broken("a gripper in percent", 6, lambda c: 100 * c, {"gripper"}, "Closedness lies between 0 and 1.")
    broken("an opening in metres", 6, lambda c: 0.08 * (1 - c), {"gripper"}, "A gripper that closes passes 0.15.")
    broken("a gripper where 1 is open", 6, lambda c: 1 - c, {"gripper"}, "An arm begins with an open hand: closedness near 0.")
    return cases


def _states() -> np.ndarray:
    """Make an episode of 40 rows: a hand that points down, wanders, and closes in the middle."""
    generator = np.random.default_rng(162)
    place = np.array([0.45, 0.0, 0.2]) + 0.01 * generator.standard_normal((40, 3)).cumsum(0)
    angles = np.array([3.0, 0.1, 0.2]) + 0.02 * generator.standard_normal((40, 3))
    closed = np.clip((np.arange(40) - 18) / 4, 0, 1)
    return np.column_stack((place, angles, closed))
