"""Check every command on our side before it is sent: the protocol's simulator enforces nothing, and an arm enforces too late.

franky-sim follows a target 1.5 m away until the arm has folded up; a real arm stops itself only at its own limits, which do
not know of the table. So nothing leaves this process that these limits have not seen.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from minijepa.plan.pose import advance
from minijepa_robot.arm.interface import (
    OPENING,
    PERIOD,
    Blocked,
    NotANumber,
    OutsideBox,
    StepTooLarge,
    TooFast,
    TooForceful,
)
from minijepa_robot.sim.scene import WORKSPACE

GRIP_SLACK = 0.3  # closedness by which the command may be ahead of fingers that are held up, as in the simulation
CLOSES, OPENS = 0.6, 0.4  # commanded closedness above which the two-level hand closes, and below which it opens
MEASURED = 1e-3  # m by which a target may leave the box, since it starts from where the hand was measured
NUMBERS = "check the model, the camera and the last pose for NaN or infinity"


@dataclass(frozen=True)
class Limits:
    """Hold what an arm may be told; the defaults suit the scene of this package at 4 Hz."""

    low: tuple[float, float, float] = WORKSPACE[0]  # m, lowest corner of the box for the fingertips
    high: tuple[float, float, float] = WORKSPACE[1]  # m
    step: float = 0.10  # m that the hand may go in one action
    turn: float = 0.5  # rad that it may turn
    speed: float = 0.45  # m/s between commands
    force: float = 40.0  # N of a grasp; the Franka hand can do 70 for long
    lag: float = 0.06  # m by which the hand may be away from where it was told to be
    watchdog: float = 0.5  # s in motion without a word from us after which the arm is stopped

    def __post_init__(self) -> None:
        numbers = (*self.low, *self.high, self.step, self.turn, self.speed, self.force, self.lag, self.watchdog)
        if not np.isfinite(numbers).all() or min(numbers[6:]) <= 0 or not (np.array(self.low) < self.high).all():
            raise ValueError(f"Limits: expected low below high and positive finite limits, got {self}")

    def target(
        self,
        commanded: Float64[np.ndarray, "7"],
        measured: Float64[np.ndarray, "7"],
        action: np.ndarray,
        seconds: float,
    ) -> Float64[np.ndarray, "7"]:
        """Return the pose that an action leads to, or raise a ``Refused`` that names the limit it breaks.

        commanded: the pose that was sent last; measured: where the hand is. seconds: since the last command.
        Raises NotANumber, Blocked, StepTooLarge, TooFast and OutsideBox, in this order.
        """
        change = np.asarray(action, dtype=np.float64)
        if change.shape != (7,) or not np.isfinite(change).all():
            raise NotANumber.about(f"an action: expected 7 finite numbers, got {change.tolist()}", NUMBERS)
        self.follows(commanded, measured)
        self._bound(change, seconds)
        start = commanded.copy()
        start[6] = np.clip(start[6], measured[6] - GRIP_SLACK, measured[6] + GRIP_SLACK)
        goal = advance(torch.from_numpy(start), torch.from_numpy(change)).numpy()
        low, high = np.array(self.low) - MEASURED, np.array(self.high) + MEASURED
        if not ((goal[:3] >= low) & (goal[:3] <= high)).all():
            box = f"expected a target within {list(self.low)} to {list(self.high)} m, got {np.round(goal[:3], 4).tolist()}"
            raise OutsideBox.about(box, "plan within the box, or shorten the action with Limits.shorten")
        return goal

    def _bound(self, change: np.ndarray, seconds: float) -> None:
        far, turn = float(np.linalg.norm(change[:3])), float(np.abs(change[3:6]).max())
        if far > self.step or turn > self.turn:
            wrong = f"expected a step of at most {self.step} m and {self.turn} rad, got {far:.3f} m and {turn:.3f} rad"
            raise StepTooLarge.about(wrong, "take several smaller actions")
        speed = far / max(min(seconds, PERIOD), 1e-6)
        if speed > self.speed:
            wrong = f"expected at most {self.speed} m/s, got {speed:.2f}: {far:.3f} m {seconds:.3f} s after the last one"
            raise TooFast.about(wrong, f"send one action every {PERIOD} s, or smaller ones")

    def follows(self, commanded: Float64[np.ndarray, "7"], measured: Float64[np.ndarray, "7"]) -> None:
        """Raise ``Blocked`` if the hand is further from where it was told to be than it may be."""
        away = float(np.linalg.norm(commanded[:3] - measured[:3]))
        if not away <= self.lag + self.step:
            wrong = f"expected the hand within {self.lag + self.step:.3f} m of its target, got {away:.3f} m"
            raise Blocked.about(wrong, "see what holds the arm, then connect again")

    def arrived(self, commanded: Float64[np.ndarray, "7"], measured: Float64[np.ndarray, "7"]) -> None:
        """Raise ``Blocked`` if a hand that has come to rest is further from its target than ``lag``."""
        away = float(np.linalg.norm(commanded[:3] - measured[:3]))
        if not away <= self.lag:
            wrong = f"expected the hand to come to rest within {self.lag} m of its target, got {away:.3f} m"
            raise Blocked.about(wrong, "see what holds the arm, then connect again")

    def grip(self, force: float | int) -> float:
        """Return a force in newtons that may be sent; raise NotANumber or TooForceful."""
        if not np.isfinite(force):
            raise NotANumber.about(f"a force: expected a finite number of newtons, got {force}", NUMBERS)
        if not 0 < force <= self.force:
            wrong = f"expected a grasp with more than 0 and at most {self.force} N, got {force} N"
            raise TooForceful.about(wrong, "grasp more gently, or raise Limits.force if hand and object can bear it")
        return float(force)

    def shorten(self, pose: Float64[np.ndarray, "7"], action: np.ndarray) -> Float64[np.ndarray, "7"]:
        """Return the action with its way clipped to the box and scaled to the step, for planners that know neither."""
        change = np.array(action, dtype=np.float64)
        change[:3] = np.clip(pose[:3] + change[:3], self.low, self.high) - pose[:3]
        change[:3] *= min(1.0, 0.999 * self.step / max(float(np.linalg.norm(change[:3])), 1e-9))
        change[3:6] = np.clip(change[3:6], -self.turn, self.turn)
        return change


def closedness(width: float) -> float:
    """Return how closed a hand of this width (m) is, 0 to 1."""
    return float(np.clip(1 - width / OPENING, 0, 1))


def closes(closed: bool, commanded: float) -> bool:
    """Tell whether the two-level hand is to be closed, given whether it is and the commanded closedness; it dithers not."""
    return bool(commanded > OPENS if closed else commanded >= CLOSES)
