"""The arm's world encodes and steps as its model does, and its energy weighs what it is told to weigh."""

from dataclasses import replace

import pytest
import torch

from minijepa.model.checkpoint_files import CheckpointError
from minijepa.model.weights import write
from minijepa.plan.world import WorldModel
from minijepa_robot.learn.joint import ACTION_SCALE, JointConfig, JointModel, scaled_cameras, scaled_poses
from minijepa_robot.learn.world import Seen, joint_world, load_joint


@pytest.fixture(scope="module")
def model():
    return JointModel(JointConfig(width=8)).eval().requires_grad_(False)


def seen(count=3, closed=0.4):
    generator = torch.Generator().manual_seed(1)
    views = {v: torch.randint(0, 256, (count, 3, 64, 64), generator=generator, dtype=torch.uint8) for v in ("side", "wrist")}
    pose = torch.zeros(count, 7)
    pose[:, 6] = closed
    return Seen(views, pose)


def test_encodes_each_moment_by_itself(model):
    world, all_seen = joint_world(model), seen()
    assert isinstance(world, WorldModel)
    z = world.encode(all_seen)
    assert z.shape == (3, 1, 17) and (z[..., 16] == 0.4).all()
    alone = world.encode(Seen({v: x[1:2] for v, x in all_seen.views.items()}, all_seen.pose[1:2]))
    torch.testing.assert_close(alone, z[1:2])


def test_steps_with_scaled_actions_and_poses(model):
    world, z = joint_world(model), joint_world(model).encode(seen())
    action, pose = torch.full((3, 7), 0.05), torch.full((3, 7), 0.3)
    expected = model.predictor(z, (action / ACTION_SCALE)[:, None], scaled_poses(pose)[:, None], (1, 1))
    torch.testing.assert_close(world.step(z, action, pose, None)[0], expected)


def test_a_hand_opens_and_closes_no_further_than_it_can(model):
    world, z = joint_world(model), joint_world(model).encode(seen())
    pose, asked = torch.zeros(3, 7), torch.zeros(3, 7)
    pose[:, 6], asked[:, 6] = torch.tensor((0.0, 0.9, 0.4)), torch.tensor((-0.7, 0.7, 0.3))
    asked[:, 1] = 0.06
    possible = asked.clone()
    possible[:, 6] = torch.tensor((0.0, 0.1, 0.3))
    torch.testing.assert_close(world.step(z, asked, pose, None)[0], world.step(z, possible, pose, None)[0])
    assert not torch.equal(world.step(z, asked - possible, pose, None)[0][2], world.step(z, asked, pose, None)[0][2])


def test_a_predictor_that_wants_it_is_told_where_the_camera_stands():
    told = JointModel(JointConfig(width=8, extrinsics=True)).eval().requires_grad_(False)
    place = torch.tensor((1.2, -0.9, 0.8, -2.0, 0.1, 0.7))
    world = replace(joint_world(told), camera=place)
    z, action, pose = world.encode(seen()), torch.full((3, 7), 0.05), torch.full((3, 7), 0.3)
    known = (action / ACTION_SCALE)[:, None], scaled_poses(pose)[:, None]
    expected = told.predictor(z, *known, (1, 1), scaled_cameras(place).expand(3, 1, 6))
    found = world.step(z, action, pose, None)[0]
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(replace(world, camera=place + 0.5).step(z, action, pose, None)[0], found)
    with pytest.raises(ValueError, match="extrinsics: expected"):
        joint_world(told).step(z, action, pose, None)


def test_energy_weighs_blocks_and_looks_through_the_lens(model):
    world = joint_world(model)
    goal = torch.zeros(1, 1, 17)
    apart = goal.clone()
    apart[..., 16] = -0.5
    assert world.energy({"gripper": 2.0})(apart, goal).tolist() == [1.0]
    assert world.energy({"side": 1.0, "absent": 5.0})(apart, goal).tolist() == [0.0]
    apart[..., :8] = torch.arange(8.0)
    seen_through = (world.lenses["side"] @ torch.arange(8.0)).abs().mean()
    torch.testing.assert_close(world.energy({"side": 1.0})(apart, goal)[0], seen_through)
    both = world.energy({"side": 1.0, "gripper": 2.0})(apart, goal)
    torch.testing.assert_close(both[0], seen_through + 1.0)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = write({"a": torch.zeros(1)}, tmp_path / "x.safetensors", {"kind": "encoder"})
    with pytest.raises(CheckpointError, match="expected kind 'joint'"):
        load_joint(path)
    path = write({"a": torch.zeros(1)}, tmp_path / "y.safetensors", {"kind": "joint", "config": '{"views":["side"],"width":8}'})
    with pytest.raises(CheckpointError, match="do not fit"):
        load_joint(path)
