"""Run everything but the arm: keep what would be sent, and take every command for done exactly."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from minijepa_robot.arm.interface import OPENING, PERIOD, Hand, StoppedByOperator, stopping
from minijepa_robot.arm.limits import Limits, closes
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.sim.simulation import REST_POSE

GRASP_FORCE = 20.0  # N, of the hand that an action closes


class Sent(NamedTuple):
    """Hold one command that would have gone to the arm."""

    seconds: float  # since the start
    what: str


class DryArm:
    """Check commands as a real arm's are, and keep them in ``sent``.

    limits: checked before each; stop: asked before each. say: is told every command, e.g. ``print``. clock: seconds, to
    measure speed by; a dry run need not wait.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        stop: OperatorStop | None = None,
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        start: object = REST_POSE,
    ) -> None:
        self.limits, self.sent = limits or Limits(), []
        self._stop, self._say, self._clock = stop or OperatorStop(), say, clock
        self._pose = np.array(start, dtype=np.float64)
        self._closed, self._began, self._last = False, clock(), -np.inf

    def pose(self) -> Float64[np.ndarray, "7"]:
        """Return the pose that was commanded last."""
        return self._pose.copy()

    def hand(self) -> Hand:
        """Return the width that was commanded last; a dry hand never holds anything."""
        return Hand(OPENING * (1 - float(self._pose[6])), False)

    def act(self, action: np.ndarray) -> None:
        """Check an action and keep what would be sent."""
        with stopping(self):
            self._listen()
            goal = self.limits.target(self._pose, self._pose, action, self._clock() - self._last)
            x, y, z, a, b, c, _ = goal
            turned = f"turned ({a:.3f}, {b:.3f}, {c:.3f}) rad"
            self._keep(f"move to ({x:.4f}, {y:.4f}, {z:.4f}) m, {turned}, within {PERIOD} s")
            self._last, self._pose = self._clock(), goal
            if closes(self._closed, goal[6]) != self._closed:
                self._grip(not self._closed, GRASP_FORCE)

    def grasp(self, force: float | int) -> bool:
        """Keep that the hand would close; it closes on nothing."""
        with stopping(self):
            self._listen()
            self._grip(True, self.limits.grip(force))
        return False

    def open(self) -> None:
        """Keep that the hand would open."""
        with stopping(self):
            self._listen()
            self._grip(False, 0.0)

    def settle(self) -> None:
        """Return at once, and count the last action as over: a dry arm always stands still."""
        self._last = -np.inf

    def stop(self, why: str) -> str:
        """Keep that the arm would be stopped."""
        self._keep(f"stop ({why})")
        return "kept, not sent"

    def close(self) -> None:
        """Keep that the arm would be stopped and let go."""
        self.stop("close")

    def _grip(self, close: bool, force: float) -> None:
        self._closed, self._pose[6] = close, float(close)
        self._keep(f"close the hand with {force:g} N" if close else f"open the hand to {OPENING} m")

    def _listen(self) -> None:
        if self._stop.asked():
            raise StoppedByOperator.about("expected to go on, got the operator's stop", "release it to go on")

    def _keep(self, what: str) -> None:
        self.sent.append(Sent(self._clock() - self._began, what))
        if self._say:
            self._say(what)
