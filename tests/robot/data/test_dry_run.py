"""The dry run tells a good copy from a bad one, names what is wrong, and ends with 1 where training would fail."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="episodes on disk need pyarrow: pip install 'minijepa[robot]'")
pytest.importorskip("h5py", reason="episodes on disk need h5py: pip install 'minijepa[robot]'")

import h5py  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from minijepa_robot.data.dry_run import main  # noqa: E402
from minijepa_robot.data.inspection import apart  # noqa: E402
from minijepa_robot.data.lerobot_layout import Layout  # noqa: E402
from minijepa_robot.data.lerobot_write import write_episodes  # noqa: E402
from tests.robot.made_episodes import PIXELS, droid_episode, episode  # noqa: E402


@pytest.fixture
def raw(tmp_path):
    for n in range(4):
        droid_episode(tmp_path / f"ep{n}", rows=60, seed=n)
    return tmp_path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


def test_a_good_copy_of_raw_droid(raw, capsys):
    code, text = run(capsys, raw)
    assert code == 0 and "verdict: will train" in text and "!" not in text
    assert "4 as raw DROID, 240 rows" in text and "left (4), right (4)" in text and "4 of 4 episodes" in text
    assert "15.15 Hz by time stamps" in text or "14.93 Hz by time stamps" in text  # whole milliseconds
    assert "? playback     videos play at 60 Hz" in text and "4 times an angle passes pi" in text
    assert "48 x 64; h264, read by PyAV" in text and "known in 4 of 4" in text
    assert "2.0 an episode of 8 frames at 4 Hz that share no row, about 8 in all" in text


def test_a_good_lerobot_copy(tmp_path, capsys):
    layout = Layout({"side": PIXELS, "wrist": PIXELS}, ("pick up the cube",), truths=("cube.x", "cube.y"))
    write_episodes(tmp_path, layout, (episode(40, seed) for seed in range(3)))
    code, text = run(capsys, tmp_path, "--frames", "4")
    assert code == 0 and "3 as LeRobot v3.0, 120 rows" in text and "side (3), wrist (3)" in text
    assert "4.00 Hz by time stamps; longest gap 0.250 s" in text and "playback" not in text
    assert "10.0 an episode of 4 frames" in text and "verdict: will train" in text


def change(folder, key, values):
    with h5py.File(folder / "trajectory.h5", "a") as file:
        found = file[key][:]
        del file[key]
        file[key] = values(found)


@pytest.mark.parametrize(
    "key, values, code, message",
    [
        ("cartesian_position", lambda x: x * [1000, 1000, 1000, 1, 1, 1], 1, "not metres"),
        ("cartesian_position", lambda x: x * [1, 1, 1, 57.3, 57.3, 57.3], 1, "degrees"),
        ("cartesian_position", lambda x: 0 * x + 0.3, 1, "never moves"),
        ("gripper_position", lambda x: 255 * x, 1, "outside of 0..1"),
        ("gripper_position", lambda x: 0.08 * x, 0, "an opening in metres"),
        ("gripper_position", lambda x: 1 - x, 0, "is 1 open here"),
    ],
)
def test_numbers_that_mean_something_else(raw, capsys, key, values, code, message):
    for n in range(4):
        change(raw / f"ep{n}", f"observation/robot_state/{key}", values)
    found, text = run(capsys, raw)
    assert found == code and message in text and ("will not train" in text) == bool(code)


def test_a_few_bad_episodes_are_noted_and_many_are_fatal(raw, capsys):
    (raw / "ep0/recordings/MP4/11.mp4").unlink()
    code, text = run(capsys, raw)
    assert code == 0 and "? missing" in text and "ep0/recordings/MP4/11.mp4" in text and "3 of 4 episodes" in text
    for n in (1, 2):
        (raw / f"ep{n}/trajectory.h5").write_bytes(b"")
    code, text = run(capsys, raw)
    assert code == 1 and "! opened       1 of 4 episodes" in text and "? problem" in text


def test_states_that_are_not_finite_are_told(raw, capsys):
    for n in range(4):
        change(raw / f"ep{n}", "observation/robot_state/cartesian_position", lambda x: x * np.nan)
    code, text = run(capsys, raw)
    assert code == 1 and "60 of 60 states are not finite" in text and "0 of 4 episodes" in text


def test_clips_that_are_too_long_are_told(raw, capsys):
    code, text = run(capsys, raw, "--frames", "100")
    assert code == 1 and "no opened episode holds a clip of 100 frames at 4 Hz" in text


def test_a_lerobot_copy_that_lacks_files(tmp_path, capsys):
    layout = Layout({"side": PIXELS}, ("pick up the cube",), truths=("cube.x", "cube.y"), file_episodes=1)
    write_episodes(tmp_path, layout, (episode(seed=seed, cameras=("side",)) for seed in range(3)))
    for n in range(3):
        (tmp_path / f"videos/observation.images.side/chunk-000/file-00{n}.mp4").unlink()
    info = json.loads((tmp_path / "meta/info.json").read_text())
    (tmp_path / "meta/info.json").write_text(json.dumps(info | {"total_episodes": 5}))
    code, text = run(capsys, tmp_path)
    assert code == 1 and "file-000.mp4" in text and "1 more of 6 files" in text and "will not train" in text
    assert pq.read_table(tmp_path / "meta/episodes/chunk-000/file-000.parquet").num_rows == 1


def test_no_data_set_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match="error: .*is no data set of episodes"):
        main([str(tmp_path)])


def test_clips_apart_share_no_row():
    clips = np.arange(10)[:, None] + np.arange(4)
    assert apart(clips).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]] and apart(clips[:0]).shape == (0, 4)
