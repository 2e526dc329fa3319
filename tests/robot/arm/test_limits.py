"""Nothing that a limit forbids gets through, each limit has its name, and what is allowed leads where it should."""

import numpy as np
import pytest

from minijepa_robot.arm import interface
from minijepa_robot.arm.limits import Limits, closedness, closes
from tests.robot.actions import step

HERE = np.array((0.475, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0))
LIMITS = Limits()


def test_target_adds_the_action():
    goal = LIMITS.target(HERE, HERE, step(x=0.03, y=-0.02, yaw=0.2, grip=0.25), 0.25)
    np.testing.assert_allclose(goal, (0.505, -0.02, 0.2, 0, 0, 0.2, 0.25), atol=1e-12)


@pytest.mark.parametrize(
    "action, error",
    [
        (step(x=np.nan), interface.NotANumber),
        (step(grip=np.inf), interface.NotANumber),
        (np.zeros(6), interface.NotANumber),
        (step(x=0.06, y=0.06, z=0.06), interface.StepTooLarge),
        (step(roll=0.6), interface.StepTooLarge),
        (step(z=-0.09), interface.OutsideBox),
    ],
)
def test_forbidden_actions_have_names(action, error):
    low = HERE - step(z=0.1)
    with pytest.raises(error) as caught:
        LIMITS.target(low, low, action, 0.25)
    assert "expected" in str(caught.value) and "got" in str(caught.value)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, interface.ArmError)


@pytest.mark.parametrize("axis, place", [(0, 0.66), (0, 0.31), (1, 0.26), (1, -0.26), (2, 0.33), (2, 0.01)])
def test_every_side_of_the_box_holds(axis, place):
    start = HERE.copy()
    start[axis] = place + (0.02 if place < HERE[axis] else -0.02)
    action = np.zeros(7)
    action[axis] = place - start[axis]
    with pytest.raises(interface.OutsideBox):
        LIMITS.target(start, start, action, 0.25)
    action[axis] /= 2  # onto the wall or just inside
    LIMITS.target(start, start, action, 0.25)


def test_speed_counts_the_time_since_the_last_command():
    LIMITS.target(HERE, HERE, step(x=0.08), 0.25)
    with pytest.raises(interface.TooFast, match="0.80"):
        LIMITS.target(HERE, HERE, step(x=0.08), 0.1)
    LIMITS.target(HERE, HERE, step(x=0.02), 0.1)


def test_a_long_pause_is_no_licence_to_be_fast():
    slow = Limits(speed=0.2)
    with pytest.raises(interface.TooFast):
        slow.target(HERE, HERE, step(x=0.08), 60.0)


def test_hand_that_does_not_follow_is_blocked():
    with pytest.raises(interface.Blocked):
        LIMITS.target(HERE, HERE - step(x=0.17), step(), 0.25)
    LIMITS.target(HERE, HERE - step(x=0.15), step(), 0.25)
    with pytest.raises(interface.Blocked):
        LIMITS.arrived(HERE, HERE - step(x=0.07))
    with pytest.raises(interface.Blocked):
        LIMITS.arrived(HERE, HERE + np.nan)


def test_commanded_grip_runs_ahead_of_held_up_fingers_by_little():
    told, measured = HERE + step(grip=1.0), HERE + step(grip=0.45)
    assert LIMITS.target(told, measured, step(grip=-0.3), 0.25)[6] == pytest.approx(0.45)


@pytest.mark.parametrize("force", [41, 0, -5.0])
def test_force_is_bounded(force):
    with pytest.raises(interface.TooForceful, match="expected a grasp"):
        LIMITS.grip(force)


def test_force_must_be_a_number():
    with pytest.raises(interface.NotANumber):
        LIMITS.grip(float("nan"))
    assert LIMITS.grip(40) == 40.0


def test_shortened_actions_are_allowed():
    rng = np.random.default_rng(0)
    for _ in range(200):
        pose = np.concatenate((rng.uniform(LIMITS.low, LIMITS.high), np.zeros(4)))
        action = rng.normal(0, 0.2, 7)
        LIMITS.target(pose, pose, LIMITS.shorten(pose, action), 0.25)


def test_shorten_leaves_allowed_actions_alone():
    action = step(x=0.03, z=-0.02, yaw=0.1, grip=-1)
    np.testing.assert_allclose(LIMITS.shorten(HERE, action), action, atol=1e-12)


def test_two_levels_do_not_dither():
    assert [closes(False, c) for c in (0.3, 0.5, 0.6, 1.0)] == [False, False, True, True]
    assert [closes(True, c) for c in (1.0, 0.5, 0.4, 0.0)] == [True, True, False, False]
    assert [closedness(w) for w in (0.08, 0.044, 0.0, 0.09)] == pytest.approx([0, 0.45, 1, 0])


@pytest.mark.parametrize("settings", [{"low": (0.7, -0.2, 0.02)}, {"speed": 0.0}, {"force": -1.0}, {"step": float("nan")}])
def test_limits_without_sense_are_refused(settings):
    with pytest.raises(ValueError, match="Limits"):
        Limits(**settings)
