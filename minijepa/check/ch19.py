"""Graders of chapter 19: W* by least squares, the angle of a 2x2 matrix, an action shortened to a box."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor

LOW, HIGH, STEP = (0.32, -0.25, 0.02), (0.65, 0.25, 0.32), 0.10  # m, of box and step
# m; in turn: allowed, too long, out of the box, both
PLACES = ((0.45, 0.0, 0.2), (0.45, 0.0, 0.2), (0.62, 0.0, 0.2), (0.60, 0.0, 0.2))
WAYS = ((0.03, -0.02, 0.01), (0.12, -0.16, 0.02), (0.06, 0.02, 0.0), (0.14, 0.14, -0.05))


@grader
def calibration(fn: Callable) -> str:
    """Check a function (inferred (n, 2), true (n, 2)) -> the (2, 2) matrix W that minimises |inferred W - true|^2."""
    inferred, true = _moves()
    answer = require_tensor(fn(inferred.clone(), true.clone()), (2, 2), "W")
    solve = torch.linalg.lstsq
    wanted = solve(inferred, true).solution
    wrong = {
        "that leads from the true moves to the inferred ones: exchange the two.": solve(true, inferred).solution,
        "that is the transpose: rows of moves stand on the left, so solve inferred @ W = true.": wanted.T,
        "that is fitted to the first two moves alone: use all of them.": solve(inferred[:2], true[:2]).solution,
        "that is inferred^T true: it lacks the inverse of inferred^T inferred.": inferred.T @ true,
        "that is only the turn: W may stretch, too.": _turn(wanted),
        "that changes nothing: it is the identity.": torch.eye(2, dtype=wanted.dtype),
    }
    for diagnosis, other in wrong.items():
        require(not close(answer, other, 1e-3), diagnosis)
    centred = solve(inferred - inferred.mean(0), true - true.mean(0)).solution
    require(not close(answer, centred, 1e-4), "you took the means away: a hand that stands still must stay still.")
    require(close(answer, wanted, 1e-4), "expected the least-squares solution of inferred @ W = true.")
    return "inferred @ W lies as near to the true moves as one matrix can bring it."


def _moves() -> tuple[Tensor, Tensor]:
    """Make moves, and what a model believes of them that is turned, stretched and noisy."""
    g = torch.Generator().manual_seed(19)
    true = 0.04 * torch.randn(30, 2, generator=g, dtype=torch.float64) + torch.tensor([0.02, -0.01])
    mixed = torch.tensor([[0.9, 0.5], [-0.7, 0.8]], dtype=torch.float64)
    return true @ mixed + 0.01 * torch.randn(30, 2, generator=g, dtype=torch.float64), true


def _turn(matrix: Tensor) -> Tensor:
    """Return the nearest orthogonal matrix."""
    u, _, v = torch.linalg.svd(matrix)
    return u @ v


def _matrix(degrees: float, first: float, second: float) -> Tensor:
    """Return a stretch after a turn, for moves that stand on the left as rows."""
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    stretch = torch.tensor([[first, 0.3], [0.3, second]], dtype=torch.float64)
    return stretch @ turn


@grader
def angle(fn: Callable) -> str:
    """Check a function (matrix (2, 2)) -> the angle in degrees by which it turns rows of moves, -180 to 180."""
    turns = torch.tensor([30.0, -70.0, 120.0, -160.0], dtype=torch.float64)
    matrices = [_matrix(float(degrees), 1.6, 0.8) for degrees in turns]
    answer = torch.tensor([_number(fn(matrix.clone())) for matrix in matrices], dtype=torch.float64)
    for diagnosis, slip in SLIPS.items():
        other = torch.tensor([slip(matrix) for matrix in matrices], dtype=torch.float64)
        require(not close(answer, other, 0.05), diagnosis)
    require(close(answer, turns, 0.05), f"expected {turns.tolist()} degrees for four matrices, got {answer.tolist()}.")
    return "the turn is what is left of W when the stretch is taken out."


def _number(answer: object) -> float:
    require(answer is not None, "the angle is None: is there a return statement?")
    require(not isinstance(answer, Tensor) or answer.numel() == 1, "expected one number, got a tensor of several.")
    require(math.isfinite(float(answer)), "the angle is NaN or infinite.")
    return float(answer)


def _degrees(y: Tensor, x: Tensor) -> float:
    return float(torch.atan2(y, x).rad2deg())


def _of_rows(matrix: Tensor) -> float:
    return _degrees(matrix[0, 1], matrix[0, 0])


SLIPS: dict[str, Callable[[Tensor], float]] = {
    "that is the other way round: moves are rows, so x goes to the first ROW (cos, sin).": lambda m: -_of_rows(_turn(m)),
    "those are radians: degrees, please.": lambda m: math.radians(_of_rows(_turn(m))),
    "you read the angle off W itself: take its stretch out first, by the SVD.": _of_rows,
    "acos cannot tell left from right, and gives no negative angle: use atan2.": lambda m: float(
        _turn(m)[0, 0].acos().rad2deg()
    ),
    "asin cannot tell front from back: use atan2.": lambda m: float(_turn(m)[0, 1].asin().rad2deg()),
}


@grader
def shorten(fn: Callable) -> str:
    """Check a function (place (3,), way (3,), low (3,), high (3,), step) -> a way that stays in the box and the step."""
    low, high = (torch.tensor(corner, dtype=torch.float64) for corner in (LOW, HIGH))
    starts, ways = (torch.tensor(rows, dtype=torch.float64) for rows in (PLACES, WAYS))
    answers = [fn(place.clone(), way.clone(), low.clone(), high.clone(), STEP) for place, way in zip(starts, ways)]
    answer = torch.stack([require_tensor(one, (3,), "the way").double() for one in answers])
    boxed = (starts + ways).clamp(low, high) - starts
    for diagnosis, other in _wrong_ways(starts, ways, low, high).items():
        require(not close(answer, other, 1e-6), diagnosis)
    end, longest = starts + answer, float(answer.norm(dim=1).max())
    require(((end >= low - 1e-9) & (end <= high + 1e-9)).all(), "the hand leaves the box: clip where it ends, place + way.")
    require(longest <= STEP + 1e-9, f"a way is {longest:.3f} m long, the step is {STEP} m.")
    require(close(answer, _scaled(boxed), 2e-4), "expected the end clipped to the box, then the way scaled to the step.")
    return "it ends in the box, is no longer than a step, and what was allowed is untouched."


def _scaled(ways: Tensor) -> Tensor:
    return ways * (STEP / ways.norm(dim=1, keepdim=True).clamp(min=STEP))


def _wrong_ways(starts: Tensor, ways: Tensor, low: Tensor, high: Tensor) -> dict[str, Tensor]:
    """Return what common slips give."""
    boxed = (starts + ways).clamp(low, high) - starts
    return {
        "nothing was shortened.": ways,
        "you clipped the WAY to the box: clip where the hand ends, then subtract the place.": ways.clamp(low, high),
        "you returned where the hand ends: the way is what is left after subtracting the place.": starts + boxed,
        "you kept the box but not the step: scale the way to at most one step.": boxed,
        "you kept the step but not the box.": _scaled(ways),
        "you clipped each axis to the step: that bends the way and lets its length exceed the step.": boxed.clamp(-STEP, STEP),
        "a way that is allowed must stay as it is: scale only what is too long.": STEP
        * boxed
        / boxed.norm(dim=1, keepdim=True),
        "you scaled first and clipped then: clip first, so that the whole step is used.": (
            (starts + _scaled(ways)).clamp(low, high) - starts
        ),
    }
