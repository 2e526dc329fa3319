"""Put the simulation behind the arm's interface: no protocol, no waiting, and the same limits."""

import numpy as np
from jaxtyping import Float64

from minijepa_robot.arm.interface import OPENING, PERIOD, Hand, StoppedByOperator, stopping
from minijepa_robot.arm.limits import Limits
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.sim.simulation import Simulation

NOTHING = 0.005  # m; a closed hand that is wider holds something
GRIP_ACTIONS = 6  # actions that the hand gets to open or close


class SimulatedArm:
    """Move a simulation as an arm is moved; an action takes 250 ms of simulated time and returns as fast as physics does.

    simulation: stays the caller's, and is not closed here. The hand is not of two levels: it follows the commanded closedness.
    """

    def __init__(self, simulation: Simulation, limits: Limits | None = None, stop: OperatorStop | None = None) -> None:
        self.simulation, self.limits = simulation, limits or Limits()
        self._stop = stop or OperatorStop()

    def pose(self) -> Float64[np.ndarray, "7"]:
        """Return the measured pose."""
        return self.simulation.pose

    def hand(self) -> Hand:
        """Return the width in m, and whether a hand that is told to close stays open."""
        width = OPENING * (1 - float(self.simulation.pose[6]))
        return Hand(width, bool(self.simulation.command[6] > 0.5 and width > NOTHING))

    def act(self, action: np.ndarray) -> None:
        """Check an action and do it."""
        with stopping(self):
            self._heed()
            self.limits.target(self.simulation.command, self.simulation.pose, action, PERIOD)
            self.simulation.act(action)

    def grasp(self, force: float | int) -> bool:
        """Close the hand and tell whether it holds something; the force is checked, but the simulated gripper has its own."""
        with stopping(self):
            self.limits.grip(force)
            self._move_hand(0.25)
        return self.hand().grasped

    def open(self) -> None:
        """Open the hand."""
        with stopping(self):
            self._move_hand(-0.25)

    def settle(self) -> None:
        """Let one action's time pass, in which the hand comes to rest."""
        with stopping(self):
            self._heed()
            self.simulation.act(np.zeros(7))

    def stop(self, why: str) -> str:
        """Return at once: between actions no simulated time passes."""
        return "nothing moves between actions"

    def close(self) -> None:
        """Leave the simulation as it is."""

    def _move_hand(self, change: float) -> None:
        for _ in range(GRIP_ACTIONS):
            self._heed()
            self.simulation.act(np.array((0, 0, 0, 0, 0, 0, change)))

    def _heed(self) -> None:
        if self._stop.asked():
            raise StoppedByOperator.about("expected to go on, got the operator's stop", "release it to go on")
