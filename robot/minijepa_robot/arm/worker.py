"""Hold the connection to a Franka in a process of its own, which can be ended when a call of libfranka does not come back.

Three facts, measured with franky-control 2.0.0, decide that this is a process and not a thread. ``franky.Robot()`` on a server
that serves somebody else never returns, and a gripper command after a stopped one neither: no thread can be ended from outside.
Ending a process closes its sockets, which is what makes the controller hold the arm: the last way to stop, and it needs no
cooperation. And the watchdog has to run while the planner's process is busy or dead.

The other end of the line sends (name, arguments) and gets ("done", value), or ("failed", name of our error, text, what came of
stopping). Motions and grips run in the background, so this process is always listening. It imports no torch.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from minijepa_robot.arm.faults import named
from minijepa_robot.arm.operator_stop import OperatorStop

ATTEMPTS = 3  # to connect: after a client that left without a word, libfranka's first try times out
LISTEN = 0.005  # s between two looks at the operator's stop and the watchdog
STOP_TIME = 0.5  # s that a stop may take before it counts as not confirmed
CALLERS = 8  # of the hand's stop: libfranka's wait for a grasp keeps the lock, and one caller may wait 1.4 s for it
HAND_SPEED = 0.05  # m/s of the fingers
# The simulated hand presses only as far as its aim lies inside the object, so the aim is narrow. It calls every grasp a success
# that ends at its aim or wider, so an empty hand is told by its width. A real hand closes to 0 and says no by itself.
GRASP_WIDTH, GRASP_INNER, GRASP_OUTER = 0.004, 0.003, 0.076  # m
THIN = 0.008  # m; what is thinner counts as nothing
OPENING = 0.08  # m


@dataclass(frozen=True)
class Link:
    """Say how to connect."""

    host: str
    realtime: bool  # insist on a realtime kernel
    dynamics: float  # share of the arm's acceleration and jerk that motions use
    speed: float  # m/s that a motion may reach
    watchdog: float  # s in motion without a message after which the arm is stopped


class ArmState(NamedTuple):
    """Hold what libfranka says of the arm; plain numbers, so that it can be sent."""

    flange: list[list[float]]  # (4, 4) end effector in the base frame
    joints: list[float]  # (7,) rad
    moving: bool
    seconds: float  # the controller's own clock


class Held:
    """Hold a robot and its gripper, and do what is asked without ever waiting for a motion."""

    def __init__(self, link: Link) -> None:
        import franky  # heavy, and only for those who have it

        self._franky, self._link = franky, link
        self._robot = _connect(franky, link)
        if self._robot.has_errors:
            self._robot.recover_from_errors()  # whoever connects has seen to what the error was
        self._gripper = franky.Gripper(link.host)
        # franky multiplies the limit by the factor of the motion
        limit = self._robot.translation_velocity_limit
        limit.set(min(limit.max, link.speed / link.dynamics))
        self._moving, self._grip = False, None

    def arm(self) -> ArmState:
        """Return the state of the arm; at rest this waits for the next one, at most 1 s."""
        state = self._robot.state
        if self._robot.has_errors:
            raise RuntimeError(f"the arm reports {state.current_errors}")
        seconds = state.time.to_msec() / 1000
        return ArmState(state.O_T_EE.matrix.tolist(), state.q.ravel().tolist(), self._moving, seconds)

    def hand(self) -> tuple[float, bool]:
        """Return the width (m) and whether something is held."""
        state = self._gripper.state
        return float(state.width), bool(state.is_grasped and state.width > THIN)

    def move(self, flange: list[list[float]]) -> None:
        """Send the arm to an absolute pose in the base frame; a motion that runs is taken over smoothly."""
        motion = self._franky.CartesianMotion(self._franky.Affine(flange), relative_dynamics_factor=self._link.dynamics)
        self._robot.move(motion, asynchronous=True)
        self._moving = True

    def grasp(self, force: float | int) -> None:
        """Begin to close the hand with a force in N."""
        self._require_idle_hand()
        self._grip = self._gripper.grasp_async(GRASP_WIDTH, HAND_SPEED, force, GRASP_INNER, GRASP_OUTER)

    def open(self) -> None:
        """Begin to open the hand."""
        self._require_idle_hand()
        self._grip = self._gripper.move_async(OPENING, HAND_SPEED)

    def gripped(self) -> bool | None:
        """Return how the last grip ended, None while it goes on."""
        return None if self._grip is None or self._gripping() else bool(self._grip.get())

    def stop(self) -> str:
        """Stop arm and hand, each within a bounded time, and tell what came of it."""
        notes = [f"arm: {_within(STOP_TIME, self._stop_arm)}"]
        if self._gripping():
            notes.append(f"hand: {_within(STOP_TIME, self._gripper.stop, CALLERS)}")
        return ", ".join(notes)

    def busy(self) -> bool:
        """Tell whether the arm or the hand is in motion; raises what ended the arm's motion."""
        if self._moving:
            self._moving = False  # if the next line raises, it has ended
            self._moving = not self._robot.poll_motion()  # franky 2.0.0 returns True at the end, not as its text says
        return self._moving or self._gripping()

    def _gripping(self) -> bool:
        return self._grip is not None and not self._grip.wait(0.0)

    def _require_idle_hand(self) -> None:
        if self._gripping():
            raise RuntimeError("the hand is still busy: a second command to it would never return")

    def _stop_arm(self) -> None:
        self._robot.stop()
        try:
            ended = self._robot.join_motion(STOP_TIME / 2)
        except self._franky.ControlException:
            ended = True  # "Move command preempted!": that is what a stop is
        self._moving = False
        if not ended:
            raise RuntimeError("stop was taken, but the motion goes on")


def _connect(franky: Any, link: Link) -> Any:
    config = franky.RealtimeConfig.Enforce if link.realtime else franky.RealtimeConfig.Ignore
    for attempt in range(ATTEMPTS):
        try:
            return franky.Robot(link.host, realtime_config=config)
        except franky.NetworkException as error:
            if "timeout" not in str(error) or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _within(seconds: float | int, call: Callable[[], object], callers: int = 1) -> str:
    """Run a call in threads and return "confirmed" or the error of the first, or that none came back in time."""
    outcome, first = [], threading.Event()

    def run() -> None:
        try:
            call()
            outcome.append("confirmed")
        except Exception as error:
            outcome.append(f"{type(error).__name__}: {error}")
        first.set()

    for _ in range(callers):
        threading.Thread(target=run, daemon=True).start()
    first.wait(seconds)
    return outcome[0] if outcome else f"sent, not confirmed in {seconds} s"


def serve(link: Link, stop: OperatorStop, line: Connection) -> None:
    """Connect, answer the line until it closes, then stop the arm and end this process at once."""
    try:
        import franky  # noqa: F401  loading it is not part of the time that connecting may take

        line.send(("done", "loaded"))
        held = Held(link)
    except Exception as error:
        line.send(("failed", *named(error), "nothing to stop: not connected"))
        os._exit(1)
    try:
        line.send(("done", "connected"))
        _answer_line(held, link, stop, line)
    except (EOFError, BrokenPipeError):
        pass  # our owner has died
    finally:
        held.stop()
        os._exit(0)  # the destructors of franky wait for a hand that is in motion


def _answer_line(held: Held, link: Link, stop: OperatorStop, line: Connection) -> None:
    calls = {name: getattr(held, name) for name in ("arm", "hand", "move", "grasp", "open", "gripped", "stop")}
    fault, heard = None, time.monotonic()
    while True:
        if line.poll(LISTEN):
            name, arguments = line.recv()
            if name == "close":
                return
            heard = time.monotonic()
            known = None if name == "stop" else fault
            line.send(known or _outcome(held, calls[name], arguments))
        fault = fault or _fault(held, link, stop, time.monotonic() - heard)


def _outcome(held: Held, call: Callable[..., object], arguments: tuple) -> tuple:
    try:
        return "done", call(*arguments)
    except Exception as error:
        return "failed", *named(error), held.stop()


def _fault(held: Held, link: Link, stop: OperatorStop, silent: float) -> tuple | None:
    """Return what ended a motion, after stopping arm and hand where a person or the watchdog wants it."""
    try:
        busy = held.busy()
    except Exception as error:
        return "failed", *named(error), held.stop()
    if busy and stop.asked():
        note = held.stop()
        return "failed", "StoppedByOperator", "expected to go on, got the operator's stop; release it, then connect again", note
    if busy and silent > link.watchdog:
        note = held.stop()
        wrong = f"expected a word every {link.watchdog} s in motion, got none for {silent:.2f} s"
        return "failed", "StoppedByWatchdog", f"{wrong}; call heartbeat() while you wait, then connect again", note
    return None
