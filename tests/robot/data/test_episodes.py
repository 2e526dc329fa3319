"""Rows are chosen by time, actions by matrices, and an episode that does not fit together is refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from minijepa_robot.data.episodes import Episode, EpisodeError, actions, clip_rows, in_camera, nearest, whole_at
from minijepa_robot.data.views import view
from tests.robot.made_episodes import episode, pictures, row_of, states


def test_actions_are_those_of_the_official_formula():
    pose = states(20)
    turn = Rotation.from_euler("xyz", pose[:, 3:6])
    wanted = (turn[1:] * turn[:-1].inv()).as_euler("xyz")
    found = actions(pose)
    assert np.allclose(found[:, 3:6], wanted, atol=1e-9)
    assert np.allclose(found[:, :3], np.diff(pose[:, :3], axis=0)) and np.allclose(found[:, 6], np.diff(pose[:, 6]))


def test_an_angle_that_passes_pi_is_a_small_action():
    pose = states(20)
    assert np.abs(np.diff(pose[:, 3])).max() > 6  # the numbers jump by a whole turn …
    assert np.abs(actions(pose)[:, 3:6]).max() < 0.6  # … and the action is as small as the others


def test_states_in_the_camera_frame():
    pose, camera = states(9), np.random.default_rng(0).standard_normal((9, 6))
    e, p = Rotation.from_euler("xyz", camera[:, 3:]), Rotation.from_euler("xyz", pose[:, 3:6])
    found = in_camera(pose, camera)
    assert np.allclose(found[:, :3], e.inv().apply(pose[:, :3] - camera[:, :3]))
    assert np.allclose(Rotation.from_euler("xyz", found[:, 3:6]).as_matrix(), (e.inv() * p).as_matrix())
    assert (found[:, 6] == pose[:, 6]).all()


def test_clips_at_4_hz_from_15_hz_take_the_nearest_rows():
    times = np.arange(60) / 15
    rows = clip_rows(times, 8, 4)
    assert rows[0].tolist() == [0, 4, 7, 11, 15, 19, 22, 26]  # 0.25 s is row 3.75, 0.5 s is the tie 7.5: the earlier row
    assert len(rows) == 60 - 26 + 0 and (rows[:, 0] == np.arange(len(rows))).all()
    assert np.abs(times[rows] - times[rows[:, :1]] - np.arange(8) / 4).max() <= 0.5 / 15 + 1e-9


def test_a_gap_makes_no_clip():
    times = np.delete(np.arange(120) / 15, slice(50, 58))
    rows = clip_rows(times, 8, 4)
    crossing = (times[rows[:, 0]] < times[50]) & (times[rows[:, -1]] >= times[50])
    spread = np.abs(times[rows] - times[rows[:, :1]] - np.arange(8) / 4)
    assert spread.max() <= 0.05 and crossing.sum() < 10 < len(rows)


def test_an_episode_that_is_too_short_or_too_slow_has_no_clip():
    assert clip_rows(np.arange(26) / 15, 8, 4).shape == (0, 8)
    assert clip_rows(np.arange(60) / 3, 8, 4).shape == (0, 8)
    assert clip_rows(np.arange(60) / 15, 8, 60).shape == (0, 8)  # every row is near a moment, but the same one of several


def test_the_whole_episode_at_a_rate():
    assert whole_at(np.arange(30) / 4, 4).tolist() == list(range(30))
    assert whole_at(np.arange(30) / 15, 5).tolist() == list(range(0, 30, 3))
    with pytest.raises(EpisodeError, match="4.00 Hz.*no even 5 Hz"):
        whole_at(np.arange(30) / 4, 5)


def test_nearest():
    assert nearest(np.array([0.0, 1.0, 2.0]), np.array([-5, 0.5, 0.6, 9])).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    "broken, message",
    [
        ({"timestamps": np.arange(5) / 4}, "rows of one number"),
        ({"timestamps": np.zeros(12)}, "do not increase"),
        ({"states": np.full((12, 7), np.nan)}, "12 of 12 states are not finite"),
        ({"videos": {"side": pictures(11)}}, "video side"),
        ({"commands": np.zeros((11, 7))}, "commands"),
    ],
)
def test_bad_episodes_are_refused(broken, message):
    parts = {"timestamps": np.arange(12) / 4, "states": states(12)} | broken
    with pytest.raises(EpisodeError, match=message):
        Episode(**parts)


def test_take_picks_the_same_rows_of_everything():
    whole, rows = episode(12), np.array([1, 5, 9])
    part = whole.take(rows, ("wrist",))
    assert row_of(part.videos["wrist"]).tolist() == [1, 5, 9] and list(part.videos) == ["wrist"]
    assert (part.states == whole.states[rows]).all() and (part.timestamps == whole.timestamps[rows]).all()
    assert (part.commands == whole.commands[rows]).all() and (part.truth.places == whole.truth.places[rows]).all()
    assert (part.extrinsics["side"] == whole.extrinsics["side"][rows]).all() and part.truth.scene == whole.truth.scene


def test_views_cut_as_planner_and_as_training():
    frames = np.zeros((2, 180, 320, 3), np.uint8)
    frames[:, :, 70:250] = 255  # the centre square, 180 wide
    assert view(frames, 256, "square").min() == 255
    released = view(frames, 256, "released")
    assert released.shape == (2, 3, 256, 256)
    white = (released[0, 0, 128] > 127).sum().item()
    assert abs(white - 256 * 180 / 243) <= 1  # 243 = round(1.35 * 180) columns are squashed to 256
    square = pictures(2, size=(32, 32))
    for cut in ("square", "released"):
        assert (view(square, 32, cut).permute(0, 2, 3, 1).numpy() == square).all()
