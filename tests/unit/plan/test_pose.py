"""Poses: scipy's rotations exactly, also at the wrap and at the lock of the angles."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.testing import assert_close

from minijepa.plan.pose import advance, difference, euler_angles, rotation

PI = math.pi


def random_poses(count: int, seed: int, spread: float = 2.0) -> torch.Tensor:
    """Draw float64 poses whose angles go round more than once."""
    poses = spread * torch.randn(count, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    poses[:, 6] = poses[:, 6].abs().clamp(max=1)
    return poses


def scipy_advance(pose: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    turn = Rotation.from_euler("xyz", action[:, 3:6].numpy()) * Rotation.from_euler("xyz", pose[:, 3:6].numpy())
    closed = (pose[:, 6:] + action[:, 6:]).clamp(0, 1)
    return torch.cat((pose[:, :3] + action[:, :3], torch.from_numpy(turn.as_euler("xyz")), closed), 1)


def test_advance_is_scipys():
    pose, action = random_poses(500, 0), random_poses(500, 1)
    assert_close(advance(pose, action), scipy_advance(pose, action), atol=1e-12, rtol=0.0)


def test_float32_poses_are_the_rounded_float64_ones():
    pose, action = random_poses(500, 0).float(), random_poses(500, 1).float()
    expected = scipy_advance(pose.double(), action.double()).float()
    assert advance(pose, action).dtype == torch.float32
    assert_close(advance(pose, action), expected, atol=2.5e-7, rtol=0.0)  # one unit in the last place at pi


def test_difference_is_scipys_and_undoes_advance():
    start, end = random_poses(500, 2), random_poses(500, 3)
    turn = Rotation.from_euler("xyz", end[:, 3:6].numpy()) * Rotation.from_euler("xyz", start[:, 3:6].numpy()).inv()
    found = difference(start, end)
    assert_close(found[:, 3:6], torch.from_numpy(turn.as_euler("xyz")), atol=1e-12, rtol=0.0)
    assert_close(found[:, [0, 1, 2, 6]], (end - start)[:, [0, 1, 2, 6]])
    arrived = advance(start, found)
    assert_close(rotation(arrived[:, 3:6]), rotation(end[:, 3:6]), atol=1e-12, rtol=0.0)
    assert_close(arrived[:, [0, 1, 2, 6]], end[:, [0, 1, 2, 6]], atol=1e-12, rtol=0.0)


def test_turns_wrap_to_the_short_way():
    """From 179 to -179 degrees are 2 degrees, not 358."""
    start, end = torch.zeros(3, 7, dtype=torch.float64), torch.zeros(3, 7, dtype=torch.float64)
    near = PI - math.radians(1)
    start[0, 3], end[0, 3] = near, -near
    start[1, 5], end[1, 5] = -near, near
    start[2, 5], end[2, 5] = 5 * PI, 3 * PI + 0.1
    found = difference(start, end)
    expected = torch.zeros(3, 3, dtype=torch.float64)
    expected[0, 0], expected[1, 2], expected[2, 2] = math.radians(2), -math.radians(2), 0.1
    assert_close(found[:, 3:6], expected, atol=1e-12, rtol=0.0)
    assert advance(end, found)[..., 3:6].abs().max() <= PI


@pytest.mark.filterwarnings("ignore:Gimbal lock")
@pytest.mark.parametrize("second", [PI / 2, -PI / 2, PI / 2 - 1e-9, PI / 2 - 1e-4])
def test_locked_angles_are_scipys(second):
    angles = torch.tensor([[0.3, second, 0.7], [-2.0, second, 1.0], [3.0, second, -3.0]], dtype=torch.float64)
    expected = torch.from_numpy(Rotation.from_euler("xyz", angles.numpy()).as_euler("xyz"))
    found = euler_angles(rotation(angles))
    assert_close(rotation(found), rotation(angles), atol=2e-8, rtol=0.0)
    assert_close(found, expected, atol=1e-7, rtol=0.0)


def test_actions_turn_about_the_axes_of_the_base():
    """A quarter turn about the base's z carries the hand's x axis from base x to base y, however the hand stands."""
    pose, action = torch.zeros(1, 7), torch.zeros(1, 7)
    pose[0, 3], action[0, 5] = PI, PI / 2  # the hand points down
    after = rotation(advance(pose, action)[0, 3:6].double())
    assert_close(after[:, 0], torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), atol=1e-6, rtol=0.0)


def test_the_gripper_stops_at_open_and_closed():
    pose, action = torch.zeros(4, 7), torch.zeros(4, 7)
    pose[:, 6], action[:, 6] = torch.tensor([0.9, 0.1, 0.5, 0.5]), torch.tensor([0.75, -0.75, 0.25, -0.25])
    assert_close(advance(pose, action)[:, 6], torch.tensor([1.0, 0.0, 0.75, 0.25]))


def test_any_batch_shape_and_one_pose_for_many_actions():
    pose, action = random_poses(1, 0)[0], random_poses(12, 1)
    expected = scipy_advance(pose.expand(12, -1), action)
    assert_close(advance(pose, action), expected, atol=1e-12, rtol=0.0)
    assert_close(advance(pose, action.view(3, 4, 7)), expected.view(3, 4, 7), atol=1e-12, rtol=0.0)
    assert np.isfinite(advance(pose, action[0]).numpy()).all()


@pytest.mark.parametrize("move", [advance, difference])
def test_the_wrong_width_is_refused(move):
    with pytest.raises(ValueError, match=r"\(…, 7\).*\(2, 6\)"):
        move(torch.zeros(2, 6), torch.zeros(2, 7))
    with pytest.raises(ValueError, match="gripper"):
        move(torch.zeros(2, 7), torch.zeros(2, 2))
