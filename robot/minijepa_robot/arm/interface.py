"""Say what an arm is asked, and name everything that can go wrong with it.

A pose is x, y, z in metres of the point between the fingertips in the robot's base frame, three angles in radians
(extrinsic xyz Euler of the tool's frame: 0, 0, 0 when the gripper points straight down) and the gripper's closedness,
0 open (80 mm) to 1 closed. An action is a change of each, angles multiplied from the left, and takes 250 ms.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

PERIOD = 0.25  # s, of one action: 4 Hz, as in the paper
OPENING = 0.08  # m between the fingertips of an open hand


class ArmError(RuntimeError):
    """Tell what was expected of an arm, what came, and the way out; the arm has been told to stop where it still listens."""

    @classmethod
    def about(cls, wrong: str, way_out: str) -> "ArmError":
        """Build the error from what was wrong (expected and got) and what to do."""
        return cls(f"{wrong}; {way_out}")


class Refused(ArmError, ValueError):
    """Tell that a command was not sent because a limit on our side forbids it."""


class OutsideBox(Refused):
    """Tell that a target lies outside the workspace box."""


class StepTooLarge(Refused):
    """Tell that one action moves or turns the hand too far."""


class TooFast(Refused):
    """Tell that actions follow each other so closely that the hand would go too fast."""


class NotANumber(Refused):
    """Tell that an action or a force is not made of finite numbers of the right shape."""


class TooForceful(Refused):
    """Tell that a grasp was asked for with too much, or no, force."""


class NoConnection(ArmError):
    """Tell that no connection came about."""


class NoServer(NoConnection):
    """Tell that nothing listens at the address."""


class Busy(NoConnection):
    """Tell that something listens at the address but does not answer: another client holds it, or it stands still."""


class RealtimeMissing(NoConnection):
    """Tell that this kernel gives no realtime priority, which a real arm needs."""


class LostConnection(ArmError):
    """Tell that an arm that was connected sends no more: the server died, stands still, or the cable is out."""


class NoAnswer(LostConnection):
    """Tell that a call did not come back within its time."""


class MotionFailed(ArmError):
    """Tell that the arm or its motion planner gave a motion up."""


class Blocked(MotionFailed):
    """Tell that the hand does not follow: something is in its way."""


class Stopped(ArmError):
    """Tell that somebody or something stopped the arm on purpose."""


class StoppedByOperator(Stopped):
    """Tell that a person stopped the arm."""


class StoppedByWatchdog(Stopped):
    """Tell that the arm was stopped in motion because nothing had been heard from us for too long."""


class Halted(ArmError):
    """Tell that an arm which was stopped by an error got a command before it was connected again."""


class Hand(NamedTuple):
    """Hold what the gripper measures."""

    width: float  # m between the fingertips
    grasped: bool  # it closed on something


@runtime_checkable
class Arm(Protocol):
    """Ask these things of an arm. Each returns or raises an ``ArmError`` in bounded time."""

    def pose(self) -> Float64[np.ndarray, "7"]:
        """Return the measured pose."""

    def hand(self) -> Hand:
        """Return what the gripper measures."""

    def act(self, action: Float64[np.ndarray, "7"]) -> None:
        """Do one action of 250 ms; where it opens or closes the hand, wait for the hand too."""

    def grasp(self, force: float | int) -> bool:
        """Close the hand with a force in newtons and tell whether it holds something."""

    def open(self) -> None:
        """Open the hand."""

    def settle(self) -> None:
        """Wait until the arm stands still."""

    def stop(self, why: str) -> str:
        """Tell the arm to stop, in bounded time; return what was sent and what came of it. Never raises."""

    def close(self) -> None:
        """Stop the arm and let it go."""


@contextmanager
def stopping(arm: Arm) -> Iterator[None]:
    """Tell an arm to stop before any ArmError leaves this block, and before an interruption by the keyboard does."""
    try:
        yield
    except (ArmError, KeyboardInterrupt) as error:
        arm.stop(type(error).__name__)
        raise
