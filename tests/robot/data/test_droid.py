"""Raw DROID is read as the official code lays it out, and frames meet rows by the camera's clock, not by the file's rate."""

import json

import numpy as np
import pytest

pytest.importorskip("h5py", reason="raw DROID needs h5py: pip install 'minijepa[robot]'")

from minijepa_robot.data.droid import DroidEpisodes, cameras_of, list_folders, read_metadata  # noqa: E402
from minijepa_robot.data.episodes import EpisodeError, clip_rows  # noqa: E402
from tests.robot.made_episodes import droid_episode, row_of, seed_of, states  # noqa: E402


def test_an_episode_is_read_whole(tmp_path):
    droid_episode(tmp_path / "ep", rows=40, seed=2)
    data = DroidEpisodes(tmp_path / "ep", ["left", "right"])
    found = data[0]
    assert np.allclose(found.states, states(40, 2)) and found.success is True and found.task == "put the cup away"
    assert np.allclose(found.timestamps, np.arange(40) / 15, atol=6e-4)  # whole milliseconds
    assert np.allclose(found.extrinsics["left"][3], [0.5, 0.1, 0.6, 0.2, 0.3, 0.4]) and found.extrinsics["right"][0, 0] == 1.5
    for place, camera in enumerate(("left", "right")):
        frames = found.videos[camera][np.array([0, 13, 39])]
        assert row_of(frames).tolist() == [0, 13, 11] and set(seed_of(frames)) == {2 + place}


def test_the_playback_rate_changes_nothing(tmp_path):
    clips = []
    for play in (15, 60):
        found = DroidEpisodes(droid_episode(tmp_path / str(play), rows=40, play=play))[0]
        rows = clip_rows(found.timestamps, 8, 4)[0]
        clips.append((rows.tolist(), row_of(found.videos["left"][rows]).tolist()))
    assert clips[0] == clips[1] and clips[0][1] == [row % 14 for row in clips[0][0]] and clips[0][0][-1] == 26


def test_frames_that_the_camera_lost_shift_nothing(tmp_path):
    kept = np.delete(np.arange(40), [5, 6, 20])
    found = DroidEpisodes(droid_episode(tmp_path / "ep", frames=kept, sidecar=True))[0]
    assert len(found) == 37 and np.allclose(found.states, states(40)[kept])
    assert row_of(found.videos["left"][np.arange(37)]).tolist() == (kept % 14).tolist()


def test_lost_frames_without_a_clock_are_refused(tmp_path):
    folder = droid_episode(tmp_path / "ep", frames=np.delete(np.arange(40), [5, 6, 20]))
    with pytest.raises(EpisodeError, match="37 frames for 40 rows, and no 11_timestamps.json"):
        DroidEpisodes(folder)[0]


def test_one_row_more_than_frames_is_usual(tmp_path):
    found = DroidEpisodes(droid_episode(tmp_path / "ep", frames=np.arange(39), clock=False))[0]
    assert len(found) == 39 and np.allclose(found.timestamps, np.arange(39) / 15)


def test_a_clock_that_knows_other_moments_is_refused(tmp_path):
    folder = droid_episode(tmp_path / "ep", sidecar=True)
    path = folder / "recordings/MP4/11_timestamps.json"
    stamps = json.loads(path.read_text())
    path.write_text(json.dumps([stamp + 3 for stamp in stamps]))
    with pytest.raises(EpisodeError, match="40 of its 40 frames were taken at no row's time"):
        DroidEpisodes(folder)[0]
    path.write_text(json.dumps(stamps[:-1]))
    with pytest.raises(EpisodeError, match="40 frames and 39 time stamps"):
        DroidEpisodes(folder)[0]


def test_lists_and_trees_of_episodes(tmp_path):
    made = [droid_episode(tmp_path / "AUTOLab" / "success" / f"day {n}", rows=4, seed=n) for n in range(3)]
    assert list_folders(tmp_path) == made
    listed = tmp_path / "droid.csv"
    listed.write_text("AUTOLab/success/day 1\n\n" + str(made[0]) + "\n")
    assert list_folders(listed) == [made[1], made[0]]
    plain = droid_episode(tmp_path / "plain", rows=4)
    listed.write_text("plain 0\n")  # as the official CSV: what follows the space is a label
    assert list_folders(listed) == [plain]


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda f: (f / "trajectory.h5").write_bytes(b"not hdf5"), "trajectory.h5: cannot be read"),
        (lambda f: (f / "metadata_AUTOLab+0.json").write_text("{"), "is no json"),
        (lambda f: (f / "metadata_AUTOLab+0.json").unlink(), r"no metadata_\*.json"),
        (lambda f: (f / "recordings/MP4/11.mp4").unlink(), "11.mp4: does not exist"),
        (lambda f: (f / "recordings/MP4/11.mp4").write_bytes(b"broken"), "11.mp4: cannot be read"),
    ],
)
def test_broken_parts_are_told(tmp_path, spoil, message):
    folder = droid_episode(tmp_path / "ep", rows=6)
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        DroidEpisodes(folder)[0]


def test_a_missing_key_and_a_missing_camera_are_told(tmp_path):
    import h5py

    folder = droid_episode(tmp_path / "ep", rows=6)
    assert cameras_of(read_metadata(folder)) == {"left": "11", "right": "22"}
    with pytest.raises(EpisodeError, match="no wrist_mp4_path; cameras: left, right"):
        DroidEpisodes(folder, ["wrist"])[0]
    with h5py.File(folder / "trajectory.h5", "a") as file:
        del file["observation/robot_state/gripper_position"]
    with pytest.raises(EpisodeError, match="lacks observation/robot_state/gripper_position"):
        DroidEpisodes(folder)[0]
