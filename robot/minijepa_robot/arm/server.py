"""Run franky-sim's protocol server, which speaks to libfranka as a robot does, with our scene in it, in its own process.

    with ProtocolServer(Scene(), {"cube": (0.5, 0.0, 0.0)}) as server:
        arm = FrankaArm(server.host, "simulation")
        server.state().qpos        # what the physics holds, in shared memory; view.py draws pictures of it

The server computes torques at 1 kHz: it shares no process with a client, whose planner holds the interpreter for seconds.
It draws nothing. It listens on the loopback only, and ends with the process that started it.
"""

import multiprocessing
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from minijepa_robot.arm.board import Board
from minijepa_robot.arm.interface import ArmError
from minijepa_robot.sim.scene import Scene

START_TIME = 60.0  # s that a busy machine may take to start it
HEAD = 6  # numbers on the board before the joints


class ServerState(NamedTuple):
    """Hold what the server published last."""

    seconds: float  # simulated
    client: bool  # one is connected
    moving: bool  # a client moves the arm
    stops: int  # commands to stop that have come in
    width: float  # m between the fingertips
    qpos: Float64[np.ndarray, "k"]  # of the scene's model


class ProtocolServer:
    """Start a server around a scene, wait until it listens, and keep what it publishes within reach.

    scene: its world. objects: (x m, y m, yaw rad) by name, as in ``Simulation.reset``. hand: the pose (7,) that the arm
    starts at, None for its usual one. Raises ArmError if it does not listen within a minute.
    """

    def __init__(
        self,
        scene: Scene | None = None,
        objects: Mapping[str, tuple[float, float, float]] | None = None,
        hand: object | None = None,
    ) -> None:
        self.scene = scene or Scene()
        context = multiprocessing.get_context("spawn")
        self._board, line, theirs = Board(256), *context.Pipe()
        layout = hand, dict(objects or {})
        self._process = context.Process(target=_serve, args=(self.scene, layout, self._board, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._line = line
        self.host = self._wait(line)

    def _wait(self, line: Connection) -> str:
        try:
            if line.poll(START_TIME):
                return line.recv()
            wrong = f"it did not listen within {START_TIME:.0f} s"
        except EOFError:
            wrong = "it ended before it listened; its own message stands above"
        self.close()
        raise ArmError.about(f"the protocol server: {wrong}", "are franky-sim and pin installed? pip install 'minijepa[robot]'")

    @property
    def pid(self) -> int:
        """Return the number of its process."""
        return self._process.pid

    def state(self) -> ServerState:
        """Return what it published last."""
        numbers = self._board.read()
        seconds, client, moving, stops, width, _ = numbers[:HEAD].tolist()
        return ServerState(seconds, bool(client), bool(moving), int(stops), width, numbers[HEAD:])

    def wait_until_still(self, seconds: float | int = 5.0, within: float | int = 1e-5) -> bool:
        """Wait until the joints change by less than ``within`` rad in 50 ms; tell whether they did in time."""
        until, last = time.monotonic() + seconds, self.state()
        while time.monotonic() < until:
            time.sleep(0.05)
            now = self.state()
            if now.seconds > last.seconds and np.abs(now.qpos[:7] - last.qpos[:7]).max() < within:
                return True
            last = now
        return False

    def close(self) -> None:
        """End the server, kindly at first; at once if it does not listen."""
        self._line.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5)

    def __enter__(self) -> "ProtocolServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _serve(scene: Scene, layout: tuple, board: Board, line: Connection) -> None:
    from minijepa_robot.arm.torque_scene import serve  # loads franky-sim and pinocchio, which no client needs

    serve(scene, layout, board, line)
