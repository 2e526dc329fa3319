"""The command ``python -m minijepa_robot.arm``: a simulated arm to try clients on, and the first steps with any arm.

python -m minijepa_robot.arm serve                                        until Ctrl-C; tells its address
python -m minijepa_robot.arm check --dry                                  say what would be sent, connect to nothing
python -m minijepa_robot.arm check --host 127.0.0.1 --kind simulation     connect and read, move nothing
python -m minijepa_robot.arm check --host ADDRESS --kind hardware --move  1 cm up, left, right, down, and a stop
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from minijepa_robot.arm.dry import DryArm
from minijepa_robot.arm.franka import FrankaArm
from minijepa_robot.arm.interface import Arm, ArmError
from minijepa_robot.arm.limits import Limits
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.arm.server import ProtocolServer

CENTIMETRE = 0.01  # m
WALK = {"up": (0, 0, CENTIMETRE), "left": (0, CENTIMETRE, 0), "right": (0, -CENTIMETRE, 0), "down": (0, 0, -CENTIMETRE)}
Say = Callable[[str], object]


@dataclass(frozen=True)
class Check:
    """Connect to an arm and read it; with --move, also move its hand by a centimetre four times, and stop it."""

    host: str = "127.0.0.1"  # its address
    kind: Literal["simulation", "hardware"] = "simulation"  # hardware needs a realtime kernel
    move: bool = False  # move it; nothing within 20 cm of the hand
    dry: bool = False  # connect to nothing, and say what would be sent
    stop_file: Path = Path("STOP")  # while this file exists, the arm does not move


@dataclass(frozen=True)
class Serve:
    """Run the simulated arm behind libfranka's protocol until Ctrl-C."""

    seconds: float = float("inf")  # that it runs at most


def main(arguments: Sequence[str] | None = None, say: Say = lambda line: sys.stdout.write(line + "\n")) -> int:
    """Run the command and return its exit status: 1 where the arm was stopped by an error, which is told in one line."""
    command = tyro.extras.subcommand_cli_from_dict({"check": Check, "serve": Serve}, args=arguments, prog="minijepa_robot.arm")
    try:
        return _serve(command, say) if isinstance(command, Serve) else _check(command, say)
    except ArmError as error:
        say(f"error: {type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped by the keyboard")
        return 1


def walk(arm: Arm, say: Say) -> None:
    """Move the hand by a centimetre up, left, right and down, saying after each how far it is from where it should be."""
    for name, change in WALK.items():
        start = arm.pose()
        arm.act(np.array((*change, 0, 0, 0, 0), dtype=np.float64))
        arm.settle()
        off = np.linalg.norm(arm.pose()[:3] - start[:3] - change)
        say(f"{name}: {1000 * off:.2f} mm from where it should be")


def _check(command: Check, say: Say) -> int:
    stop, limits = OperatorStop(command.stop_file), Limits()
    say(f"limits: {limits}")
    say(f"to stop: touch {stop.file}")
    if command.dry:
        walk(DryArm(limits, stop, say), lambda line: None)
        return 0
    with FrankaArm(command.host, command.kind, limits, stop) as arm:
        say(f"pose: {np.round(arm.pose(), 4).tolist()} (x y z m, three angles rad, closedness)")
        say(f"hand: {arm.hand().width * 1000:.1f} mm open, holds {'something' if arm.hand().grasped else 'nothing'}")
        if command.move:
            walk(arm, say)
            say(f"stop: {arm.stop('end of the check')}")
    return 0


def _serve(command: Serve, say: Say) -> int:
    with ProtocolServer() as server:
        say(f"a simulated arm listens at {server.host}; Ctrl-C ends it")
        until = time.monotonic() + command.seconds
        while time.monotonic() < until:
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
