"""The simulation behind the arm's interface: same limits, grasps what it can, and stops when a person says so."""

import numpy as np
import pytest

from minijepa_robot.arm import interface
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.arm.simulated import SimulatedArm
from minijepa_robot.sim.simulation import Simulation
from tests.robot import needs
from tests.robot.actions import step

pytestmark = needs.simulation


@pytest.fixture(scope="module")
def simulation():
    with Simulation(size=64) as world:
        yield world


def test_picks_up_the_cube(simulation):
    simulation.reset((0.5, 0.08, 0.022, 0, 0, 0, 0), {"cube": (0.5, 0.08, 0)})
    arm = SimulatedArm(simulation)
    assert isinstance(arm, interface.Arm)
    assert arm.grasp(20) and abs(arm.hand().width - 0.044) < 0.004
    for _ in range(3):
        arm.act(step(z=0.05))
    arm.settle()
    assert simulation.place("cube")[2] > 0.12
    arm.open()
    arm.settle()
    assert arm.hand().width > 0.075 and not arm.hand().grasped and simulation.place("cube")[2] < 0.1


def test_empty_hand_holds_nothing(simulation):
    simulation.reset()
    assert not SimulatedArm(simulation).grasp(20.0)


def test_refuses_what_leaves_the_box_and_does_not_move(simulation):
    simulation.reset((0.64, 0, 0.2, 0, 0, 0, 0))
    arm, before = SimulatedArm(simulation), simulation.pose
    with pytest.raises(interface.OutsideBox):
        arm.act(step(x=0.05))
    np.testing.assert_array_equal(simulation.pose, before)


def test_operator_stops_it_within_a_grasp(simulation):
    simulation.reset()
    stop = OperatorStop()
    arm = SimulatedArm(simulation, stop=stop)
    stop.press()
    for call in (lambda: arm.act(step(x=0.01)), lambda: arm.grasp(10.0), arm.open, arm.settle):
        with pytest.raises(interface.StoppedByOperator):
            call()
