"""Drive a Franka through libfranka: a real one, or the simulated one of server.py, by the same calls.

    with FrankaArm(server.host, "simulation") as arm:
        arm.act(np.array([0, 0.05, 0, 0, 0, 0, 0]))     # 5 cm to the left, in 250 ms
        arm.grasp(20.0)

Targets are absolute poses in the base frame: a relative one would be taken in the frame of the hand, which points down.
An action every 250 ms, by the arm's own clock, takes over the motion that still runs, without a halt between. The hand knows
two states: an action closes it when the commanded closedness passes 0.6 and opens it below 0.4, and waits for it, since no
Franka hand moves within one action. Every call has a time after which it ends in ``NoAnswer``; worker.py says how.
"""

import importlib.util
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
from jaxtyping import Float64

from minijepa_robot.arm.interface import (
    PERIOD,
    ArmError,
    Halted,
    Hand,
    MotionFailed,
    NoAnswer,
    NoConnection,
    Refused,
    StoppedByOperator,
)
from minijepa_robot.arm.limits import Limits, closedness, closes
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.arm.remote import Note, Remote
from minijepa_robot.arm.worker import ArmState, Link
from minijepa_robot.sim.kinematics import angles, matrix

SETTLE_TIME, HAND_TIME = 10.0, 8.0  # s by the arm's own clock for a motion to end, and for the hand
PATIENCE = 60.0  # s by our clock for either; a simulated arm on a busy machine lives more slowly than we do
LOOK = 0.005  # s between two looks at an arm in motion
TOOL = np.diag((1.0, -1.0, -1.0))  # the tool's frame in that of libfranka's end effector, whose z leaves the fingers
GRASP_FORCE = 20.0  # N, of the hand that an action closes


class FrankaArm:
    """Connect to an arm and hold it until ``close``.

    host: its address. kind: "hardware" insists on a realtime kernel; "simulation" does without and takes a loopback address
    only. limits: checked before every command. stop: asked before every command and during motion. dynamics: share of the
    arm's acceleration that motions use.

    After any error but a ``Refused`` the connection is given up: the arm holds its place, every command raises ``Halted``, and
    ``connect`` begins anew. ``log`` holds every stop and what came of it. Raises ValueError for settings that make no sense,
    ``NoConnection`` where no connection comes about.
    """

    def __init__(
        self,
        host: str,
        kind: Literal["simulation", "hardware"],
        limits: Limits | None = None,
        stop: OperatorStop | None = None,
        dynamics: float | int = 0.3,
    ) -> None:
        self.limits, self.stop_button = limits or Limits(), stop or OperatorStop()
        self.log: deque[Note] = deque(maxlen=1000)
        self._link, self._remote = _link(host, kind, dynamics, self.limits), None
        self.connect()

    def connect(self) -> None:
        """Connect, or connect again after an error, with the arm at rest and in sight."""
        self.close()
        if self.stop_button.asked():
            raise StoppedByOperator.about("expected to connect, the operator's stop is on", "release it first")
        self._remote = Remote(self._link, self.stop_button, self.log)
        self._commanded, self._last = None, -np.inf  # None: wherever it stands
        self._closed = self.hand().grasped or bool(self.pose()[6] > 0.5)

    def pose(self) -> Float64[np.ndarray, "7"]:
        """Return the measured pose: x y z (m), three angles (rad), closedness."""
        with self._guarded() as remote:
            return _pose(remote, remote.ask("arm"))

    def hand(self) -> Hand:
        """Return the width in m and whether something is held."""
        with self._guarded() as remote:
            return Hand(*remote.ask("hand"))

    def act(self, action: np.ndarray) -> None:
        """Check an action, send it, and return after 250 ms; later if it opens or closes the hand.

        Raises a ``Refused`` and does not send it if a limit forbids it; else the ``ArmError`` of what went wrong. The arm has
        been told to stop before any of them.
        """
        with self._guarded() as remote:
            state: ArmState = remote.ask("arm")
            measured, now = _pose(remote, state), state.seconds
            commanded = measured if self._commanded is None else self._commanded
            goal = self.limits.target(commanded, measured, action, now - self._last)
            remote.ask("move", _flange(goal))
            self._commanded, self._last = goal, now
            if closes(self._closed, goal[6]) == self._closed:
                self._until(remote, lambda state: state.seconds >= now + PERIOD, SETTLE_TIME, "250 ms to pass")
            else:
                self._settle(remote)
                self._grip(remote, not self._closed, GRASP_FORCE)

    def settle(self) -> None:
        """Wait until the arm stands still; raise ``Blocked`` if that is not where it was told to be."""
        with self._guarded() as remote:
            self._settle(remote)

    def grasp(self, force: float | int) -> bool:
        """Close the hand with a force in newtons and tell whether it holds something."""
        with self._guarded() as remote:
            self._grip(remote, True, self.limits.grip(force))
            return Hand(*remote.ask("hand")).grasped

    def open(self) -> None:
        """Open the hand."""
        with self._guarded() as remote:
            self._grip(remote, False, 0.0)

    def heartbeat(self) -> None:
        """Tell the watchdog that we are well, and learn of an error; call it while something else takes long."""
        with self._guarded() as remote:
            remote.ask("arm")

    def stop(self, why: str) -> str:
        """Tell arm and hand to stop and return what came of it; also where nothing answers, in 3 s at most."""
        self._commanded = None
        return self._remote.stop(why) if self._remote else "not connected: nothing to stop"

    def close(self) -> None:
        """Stop the arm and end the connection."""
        if self._remote:
            self._remote.stop("close")
            self._remote.drop()
            self._remote = None

    def __enter__(self) -> "FrankaArm":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _guarded(self) -> Iterator[Remote]:
        """Give the connection; stop the arm before an error leaves, and give the connection up unless it was a refusal."""
        if self._remote is None:
            raise Halted.about("expected a connected arm, got one that was closed or stopped by an error", "call connect()")
        try:
            self._heed()
            yield self._remote
        except (ArmError, KeyboardInterrupt) as error:
            self.stop(type(error).__name__)
            if isinstance(error, ArmError) and not isinstance(error, Refused):
                self._remote.drop()
                self._remote = None
            raise

    def _heed(self) -> None:
        if self.stop_button.asked():
            raise StoppedByOperator.about("expected to go on, got the operator's stop", "release it, then connect again")

    def _settle(self, remote: Remote) -> None:
        self._until(remote, lambda state: not state.moving, SETTLE_TIME, "the motion to end")
        if self._commanded is not None:
            self.limits.arrived(self._commanded, _pose(remote, remote.ask("arm")))

    def _until(self, remote: Remote, done: Callable[[ArmState], bool], seconds: float | int, what: str) -> None:
        """Look at the arm until something is done; raise NoAnswer if that takes too long by the arm's clock or by ours."""
        began, patience = remote.ask("arm").seconds, time.monotonic() + PATIENCE
        while True:
            self._heed()
            state = remote.ask("arm")  # learns in 1 s that the server is gone, which the hand's own connection never does
            if done(state):
                return
            if state.seconds - began > seconds or time.monotonic() > patience:
                raise NoAnswer.about(f"expected {what} within {seconds:g} s, it goes on", "see what holds the arm")
            time.sleep(LOOK)

    def _grip(self, remote: Remote, close: bool, force: float | int) -> None:
        remote.ask("grasp", force) if close else remote.ask("open")
        self._closed = close
        if self._commanded is not None:
            self._commanded[6] = float(close)
        self._until(remote, lambda state: remote.ask("gripped") is not None, HAND_TIME, "the hand to finish")
        done = remote.ask("gripped")
        if not (done or close):
            raise MotionFailed.about("expected the hand to open, it did not", "free the fingers, then connect again")


def _link(host: str, kind: str, dynamics: float | int, limits: Limits) -> Link:
    if kind not in ("simulation", "hardware"):
        raise ValueError(f"FrankaArm: expected kind 'simulation' or 'hardware', got {kind!r}")
    if not 0 < dynamics <= 1:
        raise ValueError(f"FrankaArm: expected dynamics above 0 and at most 1, got {dynamics}")
    if kind == "simulation" and not _is_loopback(host):
        raise ValueError(f"FrankaArm: expected a simulation at 127.x.y.z, got {host!r}; an arm elsewhere is 'hardware'")
    if importlib.util.find_spec("franky") is None:
        raise NoConnection.about("FrankaArm: expected franky-control, it is not installed", "pip install 'minijepa[robot]'")
    return Link(host, kind == "hardware", dynamics, limits.speed, limits.watchdog)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pose(remote: Remote, state: ArmState) -> Float64[np.ndarray, "7"]:
    width, _ = remote.ask("hand")
    flange = np.array(state.flange)
    return np.concatenate((flange[:3, 3], angles(flange[:3, :3] @ TOOL), (closedness(width),)))


def _flange(pose: Float64[np.ndarray, "7"]) -> list[list[float]]:
    """Return the matrix (4, 4) of libfranka's end effector for a pose of ours."""
    flange = np.eye(4)
    flange[:3, 3], flange[:3, :3] = pose[:3], matrix(pose[3:6]) @ TOOL
    return flange.tolist()
