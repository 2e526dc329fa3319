"""The simulated arm goes where it is told, grips, stays in its box, and does the same thing twice to the last bit."""

import numpy as np
import pytest
import torch

from minijepa_robot.sim.kinematics import Unreachable
from minijepa_robot.sim.scene import SIDE, WORKSPACE, Scene
from minijepa_robot.sim.simulation import LIMITS, Simulation
from tests.robot import needs
from tests.robot.actions import step
from tests.robot.sim.another_process import digests_here_and_there

pytestmark = needs.simulation
STILL = np.zeros(7)


@pytest.fixture(scope="module")
def world():
    with Simulation(size=64) as simulation:
        yield simulation


def held(world):
    """Bring the hand around the cube and close it."""
    world.reset((0.5, 0.08, 0.022, 0, 0, 0, 0), {"cube": (0.5, 0.08, 0)})
    for _ in range(3):
        world.act(step(grip=0.5))


def test_reset_puts_hand_and_things_where_they_belong(world):
    world.reset((0.4, -0.1, 0.15, 0, 0, 0.3, 0.5), {"cube": (0.6, 0.1, 0.2)})
    np.testing.assert_allclose(world.pose, (0.4, -0.1, 0.15, 0, 0, 0.3, 0.5), atol=2e-3)
    np.testing.assert_allclose(world.place("cube"), (0.6, 0.1, 0.022), atol=1e-3)
    assert abs(world.yaw("cube") - 0.2) < 1e-3
    assert world.objects == ("cube", "cup", "box")


def test_hand_follows_the_command(world):
    world.reset()
    rng, errors = np.random.default_rng(0), []
    for _ in range(20):
        world.act(np.concatenate((rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.1, 0.1, 3), (0,))))
        errors.append(np.linalg.norm((world.pose - world.command)[:3]))
    assert np.mean(errors) < 0.006 and max(errors) < 0.02
    world.act(STILL)
    np.testing.assert_allclose(world.pose[:6], world.command[:6], atol=4e-3)


def test_angles_multiply_from_the_left(world):
    from scipy.spatial.transform import Rotation

    world.reset((0.5, 0, 0.2, 0, 0, 0.5, 0))
    world.act(step(roll=0.3))
    world.act(STILL)
    expected = Rotation.from_euler("xyz", (0.3, 0, 0)) * Rotation.from_euler("xyz", (0, 0, 0.5))
    np.testing.assert_allclose(world.pose[3:6], expected.as_euler("xyz"), atol=4e-3)


def test_gripper_closes_on_the_cube_lifts_it_and_lets_go(world):
    held(world)
    assert 0.40 < world.pose[6] < 0.48  # 44 of 80 mm
    for _ in range(2):
        world.act(step(z=0.06))
    assert world.place("cube")[2] > 0.12 and 0.40 < world.pose[6] < 0.48
    world.act(step(grip=-0.45))  # what a planner that wants an open hand and reads .45 does
    world.act(STILL)
    assert world.pose[6] < 0.35 and world.place("cube")[2] < 0.05


def test_empty_gripper_opens_and_closes(world):
    world.reset()
    for sign, closed in ((1, 1), (-1, 0)):
        for _ in range(2):
            world.act(step(grip=sign))
        assert abs(world.pose[6] - closed) < 0.03


def test_hand_stays_in_its_box(world):
    world.reset((0.6, 0.2, 0.28, 0, 0, 0, 0))
    for _ in range(4):
        world.act(step(x=0.1, y=0.1, z=0.1))
    np.testing.assert_allclose(world.command[:3], LIMITS[1])
    for _ in range(6):
        world.act(step(z=-0.1))
    assert world.command[2] == LIMITS[0][2] and world.pose[2] > 0
    assert (LIMITS[0] < WORKSPACE[0]).all() and (LIMITS[1] > WORKSPACE[1]).all()


def test_command_does_not_run_away_from_a_hand_that_is_held_up(world):
    """Pressed on the cube from above: once it goes up again, the hand does so at the next action."""
    world.reset((0.5, 0.08, 0.10, 0, 0, 0, 1), {"cube": (0.5, 0.08, 0)})
    for _ in range(6):
        world.act(step(z=-0.06))
    low = world.pose[2]
    assert low > 0.03
    world.act(step(z=0.075))
    assert world.pose[2] > low + 0.01


@pytest.mark.parametrize("bad", [np.zeros(6), np.full(7, np.nan), step(x=np.inf), step(x=0.5), step(yaw=2)])
def test_bad_actions_are_refused_and_change_nothing(world, bad):
    world.reset()
    before = world.state().physics
    with pytest.raises(ValueError, match="action: expected"):
        world.act(bad)
    np.testing.assert_array_equal(world.state().physics, before)


def test_bad_resets_are_refused(world):
    with pytest.raises(ValueError, match=r"reset: expected things among \['cube', 'cup', 'box'\], got 'spoon'"):
        world.reset(objects={"spoon": (0.5, 0, 0)})
    with pytest.raises(ValueError, match="reset: expected x"):
        world.reset(objects={"cube": (0.5, 0)})
    with pytest.raises(Unreachable):
        world.reset((1.4, 0, 0.2, 0, 0, 0, 0))


def test_pictures_have_their_size_and_show_the_cube(world):
    held(world)
    world.act(step(z=0.07))
    for camera in ("side", "wrist"):
        for size in (64, 128):
            picture = world.picture(camera, size)
            assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
            red, green, blue = picture.astype(int).reshape(-1, 3).T
            share = ((red > 80) & (red > 2 * green) & (red > 2 * blue)).mean()
            assert share > (0.001 if camera == "side" else 0.02)
    with pytest.raises(ValueError, match=r"camera among \['side', 'wrist'\]"):
        world.picture("front")
    with pytest.raises(ValueError, match="16 to 1024 px"):
        world.picture(size=4096)


def test_camera_that_turns_sees_something_else():
    with Simulation(cameras={"side": SIDE, "far": SIDE.orbit(40)}, size=64) as world:
        side, far = world.picture("side"), world.picture("far")
        assert np.abs(side.astype(int) - far).mean() > 5
        world.aim("side", SIDE.orbit(40))
        np.testing.assert_array_equal(world.picture("side"), far)


def test_restored_state_gives_the_same_future_to_the_last_bit(world):
    held(world)
    world.act(step(z=0.05, grip=0.2))
    saved, rng = world.state(), np.random.default_rng(3)
    actions = rng.uniform(-0.05, 0.05, (6, 7))

    def future(simulation):
        for action in actions:
            simulation.act(action)
        return simulation.state().physics, simulation.pose, simulation.picture("wrist", 64)

    first = future(world)
    world.restore(saved)
    np.testing.assert_array_equal(world.command, saved.command)
    with Simulation(size=64) as other:
        other.restore(saved)
        for once, again, elsewhere in zip(first, future(world), future(other)):
            np.testing.assert_array_equal(once, again)
            np.testing.assert_array_equal(once, elsewhere)
    with Simulation(Scene(things=())) as smaller, pytest.raises(ValueError, match="another scene"):
        smaller.restore(saved)


EPISODE = """
import hashlib, torch
from minijepa_robot.sim.scene import Scene
from minijepa_robot.sim.simulation import Simulation
digest, generator = hashlib.sha1(), torch.Generator().manual_seed(7)
with Simulation(Scene.random(generator), size=64) as world:
    world.reset((0.5, 0.08, 0.05, 0, 0, 0, 0))
    for _ in range(8):
        world.act(torch.rand(7, generator=generator) * 0.1 - 0.05)
        digest.update(world.picture("side").tobytes() + world.picture("wrist").tobytes() + world.pose.tobytes())
"""


def test_same_seed_same_frames_in_another_process():
    here, there = digests_here_and_there(EPISODE)
    assert here == there


def test_torch_actions_are_welcome(world):
    world.reset()
    world.act(torch.tensor(step(x=0.05)))
    assert abs(world.pose[0] - 0.525) < 0.01
