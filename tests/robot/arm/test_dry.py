"""A dry arm keeps what would be sent, refuses what a real one refuses, and keeps the stop that comes with it."""

import numpy as np
import pytest

from minijepa_robot.arm import interface
from minijepa_robot.arm.dry import DryArm
from minijepa_robot.arm.operator_stop import OperatorStop
from tests.robot.actions import step


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_is_an_arm():
    assert isinstance(DryArm(), interface.Arm)


def test_keeps_and_says_what_would_be_sent():
    clock, said = Clock(), []
    arm = DryArm(say=said.append, clock=clock)
    for action in (step(x=0.05), step(z=-0.05), step(grip=0.7)):
        arm.act(action)
        clock.now += 0.25
    arm.open()
    arm.close()
    assert said == [sent.what for sent in arm.sent]
    assert said[0].startswith("move to (0.5250, 0.0000, 0.2200) m") and "0.1700" in said[1]
    assert said[3] == "close the hand with 20 N" and said[4] == "open the hand to 0.08 m" and said[5] == "stop (close)"
    assert arm.sent[2].seconds == 0.5 and arm.hand() == (0.08, False)
    np.testing.assert_allclose(arm.pose(), (0.525, 0, 0.17, 0, 0, 0, 0))


def test_refuses_and_stops():
    clock = Clock()
    arm = DryArm(clock=clock)
    arm.act(step(y=0.09))
    clock.now += 0.05
    for action, error in ((step(y=0.09), interface.TooFast), (step(y=0.2), interface.StepTooLarge)):
        with pytest.raises(error):
            arm.act(action)
        assert arm.sent[-1].what == f"stop ({error.__name__})"
    with pytest.raises(interface.TooForceful):
        arm.grasp(100)
    assert arm.sent[-1].what == "stop (TooForceful)"
    np.testing.assert_allclose(arm.pose()[1], 0.09)


def test_operator_stops_it(tmp_path):
    stop = OperatorStop(tmp_path / "STOP")
    arm = DryArm(stop=stop)
    arm.act(step(x=0.01))
    (tmp_path / "STOP").touch()
    with pytest.raises(interface.StoppedByOperator):
        arm.act(step(x=0.01))
    assert arm.sent[-1].what == "stop (StoppedByOperator)"


def test_keyboard_interrupt_stops_it():
    arm = DryArm()
    with pytest.raises(KeyboardInterrupt), interface.stopping(arm):
        raise KeyboardInterrupt
    assert arm.sent[-1].what == "stop (KeyboardInterrupt)"
