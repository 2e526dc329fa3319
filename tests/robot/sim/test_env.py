"""The environment keeps gymnasium's contract, follows its seed in every process, and refuses what it cannot do."""

import warnings

import numpy as np
import pytest

from tests.robot import needs
from tests.robot.sim.another_process import digests_here_and_there, run

pytestmark = needs.simulation
gymnasium = pytest.importorskip("gymnasium", reason="gymnasium not installed: pip install -e '.[robot]'")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from minijepa_robot.sim import behave  # noqa: E402
from minijepa_robot.sim.env import ID, LONGEST, FrankaEnv, register  # noqa: E402
from minijepa_robot.sim.kinematics import Unreachable  # noqa: E402
from minijepa_robot.sim.scene import SIDE, Scene  # noqa: E402


@pytest.fixture
def env():
    env = FrankaEnv(size=48, steps=5)
    yield env
    env.close()


def test_gymnasiums_checker_passes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(register(), size=32, render_mode="rgb_array").unwrapped)


def test_spaces_hold_what_comes_back(env):
    observation, info = env.reset(seed=1)
    assert set(observation) == {"side", "wrist", "pose"} and observation["side"].shape == (48, 48, 3)
    assert env.observation_space.contains(observation) and env.action_space.shape == (7,)
    observation, reward, terminated, truncated, info = env.step(LONGEST * 0.5)
    assert env.observation_space.contains(observation)
    assert (reward, terminated, truncated) == (0.0, False, False) and info["cube"].shape == (3,)


def test_time_limit_cuts_the_episode(env):
    env.reset(seed=1)
    cuts = [env.step(np.zeros(7, np.float32))[3] for _ in range(5)]
    assert cuts == [False] * 4 + [True]
    env.reset()
    assert not env.step(np.zeros(7, np.float32))[3]


def test_lifted_cube_is_rewarded(env):
    env.reset(seed=0, options={"layout": behave.Layout(np.array((0.5, 0, 0.022, 0, 0, 0, 0)), {"cube": (0.5, 0, 0)})})
    rewards = []
    for z, grip in ((0, 1), (0, 0), (0.07, 0)):
        rewards.append(env.step(np.array((0, 0, z, 0, 0, 0, grip), np.float32))[1])
    assert rewards == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "action, complaint",
    [
        (np.zeros(6, np.float32), "7 finite numbers"),
        (np.full(7, np.nan, np.float32), "7 finite numbers"),
        (np.array([0.2, 0, 0, 0, 0, 0, 0], np.float32), "within .*clip it"),
        (np.array([0, 0, 0, 0.5, 0, 0, 0], np.float32), "within .*clip it"),
    ],
)
def test_bad_actions_are_refused_and_do_not_move_the_arm(env, action, complaint):
    env.reset(seed=2)
    before = env.simulation.pose
    with pytest.raises(ValueError, match=complaint):
        env.step(action)
    np.testing.assert_array_equal(env.simulation.pose, before)


def test_step_before_reset_is_named(env):
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(7, np.float32))


def test_start_that_cannot_be_reached_is_drawn_again(env, monkeypatch):
    far = behave.Layout(np.array((1.5, 0, 0.2, 0, 0, 0, 0)), {})
    fine = behave.Layout(np.array((0.5, 0, 0.2, 0, 0, 0, 0)), {})
    starts = iter([far, far, fine])
    monkeypatch.setattr(behave, "draw_layout", lambda generator: next(starts))
    env.reset(seed=1)
    np.testing.assert_allclose(env.simulation.pose[:3], (0.5, 0, 0.2), atol=2e-3)
    monkeypatch.setattr(behave, "draw_layout", lambda generator: far)
    with pytest.raises(Unreachable):
        env.reset(seed=1)


def test_bad_settings_are_refused(env):
    with pytest.raises(ValueError, match="steps >= 1"):
        FrankaEnv(steps=0)
    with pytest.raises(ValueError, match="cameras of side and wrist"):
        FrankaEnv(cameras=("front",))
    with pytest.raises(ValueError, match="rgb_array"):
        FrankaEnv(render_mode="human")
    with pytest.raises(ValueError, match="options among"):
        env.reset(options={"scene": 3})


def test_camera_is_a_parameter_and_one_scene_can_serve_all_episodes():
    pictures = []
    for camera in (SIDE, SIDE.orbit(30)):
        env = FrankaEnv(Scene(), camera, size=48)
        pictures.append(env.reset(seed=3)[0])
        env.reset()
        assert env.simulation.scene == Scene()
        env.close()
    assert np.abs(pictures[0]["side"].astype(int) - pictures[1]["side"]).mean() > 5
    np.testing.assert_array_equal(pictures[0]["wrist"], pictures[1]["wrist"])


def test_without_cameras_only_the_pose_is_observed():
    env = FrankaEnv(cameras=())
    assert set(env.reset(seed=0)[0]) == {"pose"} and env.render() is None


EPISODE = """
import hashlib
import gymnasium
env = gymnasium.make("minijepa_robot.sim.registered:minijepa/Franka-v0", size=48)
digest = hashlib.sha1()
env.action_space.seed(5)
for seed in (11, None):
    observation, _ = env.reset(seed=seed)
    for _ in range(4):
        digest.update(b"".join(observation[name].tobytes() for name in sorted(observation)))
        observation = env.step(env.action_space.sample())[0]
env.close()
"""


def test_made_by_name_the_same_seed_gives_the_same_frames_in_another_process():
    here, there = digests_here_and_there(EPISODE)
    assert here == there


def test_other_seed_other_scene(env):
    first, _ = env.reset(seed=1)
    second, _ = env.reset(seed=2)
    again, _ = env.reset(seed=1)
    np.testing.assert_array_equal(first["side"], again["side"])
    assert np.abs(first["side"].astype(int) - second["side"]).mean() > 3


def test_importing_registers_nothing():
    program = (
        "import gymnasium, minijepa, minijepa_robot.sim.env as env\n"
        "assert env.ID not in gymnasium.registry\n"
        "env.register(); env.register()\n"
        "assert env.ID in gymnasium.registry\n"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert ID == "minijepa/Franka-v0"
