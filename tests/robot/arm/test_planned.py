"""An arm with cameras is what the planner's loop asks of a robot."""

import numpy as np
import pytest
import torch

from minijepa.plan.control import Robot
from minijepa_robot.arm.dry import DryArm
from minijepa_robot.arm.interface import OutsideBox
from minijepa_robot.arm.limits import Limits
from minijepa_robot.arm.planned import PlannedArm

PICTURE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def test_observes_picture_and_pose():
    robot = PlannedArm(DryArm(), {"side": lambda: PICTURE})
    assert isinstance(robot, Robot)
    seen, pose = robot.observe()
    assert seen.shape == (1, 3, 4, 5) and seen.dtype == torch.uint8 and int(seen[0, 2, 1, 3]) == PICTURE[1, 3, 2]
    assert pose.shape == (1, 7) and pose.dtype == torch.float32
    torch.testing.assert_close(pose[0, :3], torch.tensor((0.475, 0.0, 0.22)))


def test_gathers_several_views():
    cameras = {"side": lambda: PICTURE, "wrist": lambda: PICTURE[::-1]}
    (views, pose), same = PlannedArm(DryArm(), cameras, lambda views, pose: (views, pose)).observe()
    assert list(views) == ["side", "wrist"] and (views["wrist"].flip(2) == views["side"]).all() and pose is same
    with pytest.raises(ValueError, match="expected one camera"):
        PlannedArm(DryArm(), cameras).observe()


def test_acts_and_shortens_if_told_to():
    action = torch.tensor((0.09, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    ticks = iter(range(10_000))
    arm = DryArm(clock=lambda: float(next(ticks)))
    strict, shortened = PlannedArm(arm, {}), PlannedArm(arm, {}, limits=Limits())
    strict.act(action)
    with pytest.raises(OutsideBox):
        strict.act(action)
    shortened.act(action)
    np.testing.assert_allclose(arm.pose()[0], 0.65, atol=1e-6)
