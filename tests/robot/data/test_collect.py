"""The same seed gives the same episodes whatever the workers and the interruptions, and they hold what the arm did."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet", reason="episodes on disk need pyarrow: pip install 'minijepa[robot]'")
pytest.importorskip("h5py", reason="episodes on disk need h5py: pip install 'minijepa[robot]'")

from minijepa_robot.data import collect as collecting  # noqa: E402
from minijepa_robot.data.collect import Collect, collect, main, missing_shards  # noqa: E402
from minijepa_robot.data.dataset import EpisodeClips, Slicing  # noqa: E402
from minijepa_robot.data.episodes import EpisodeError  # noqa: E402
from minijepa_robot.data.lerobot import LeRobotEpisodes  # noqa: E402
from minijepa_robot.data.record import TASKS, Recipe, Stand, draw_stand, record  # noqa: E402
from minijepa_robot.sim import gl  # noqa: E402
from minijepa_robot.sim.scene import SIDE, WORKSPACE  # noqa: E402
from minijepa_robot.sim.simulation import LIMITS  # noqa: E402
from tests.robot import needs  # noqa: E402

pytestmark = needs.simulation
SMALL = Recipe(size=32, steps=5)


def settings(out, **changes):
    return Collect(**({"out": out, "recipe": SMALL, "episodes": 5, "workers": 0, "shard": 2, "quiet": True} | changes))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return collect(settings(tmp_path_factory.mktemp("recorded")))


def test_an_episode_holds_what_the_arm_did(recorded):
    data = LeRobotEpisodes(recorded)
    assert len(data) == 5 and data.cameras == ("side", "wrist")
    for number in range(5):
        found, made = data[number], record(SMALL, 0, number)
        assert len(found) == 6 and np.allclose(found.timestamps, np.arange(6) / 4)
        assert np.allclose(found.states, made.states, atol=1e-6) and np.allclose(found.commands, made.commands, atol=1e-6)
        assert np.allclose(found.truth.places, made.truth.places, atol=1e-5, equal_nan=True)
        low, high = LIMITS[0] - 0.02, LIMITS[1] + 0.02
        assert (found.states[:, :3] > low).all() and (found.states[:, :3] < high).all()
        assert np.abs(found.commands[:5, :3]).max() > 0.005 and (found.commands[5] == 0).all()
        moved = np.diff(found.states[:, :3], axis=0)
        assert np.corrcoef(moved.ravel(), found.commands[:5, :3].ravel())[0, 1] > 0.9
        for camera in ("side", "wrist"):
            assert (found.videos[camera][np.arange(6)] == made.videos[camera]).all()
        about = json.loads(found.truth.scene)
        assert about["number"] == number and sum(count for _, count in about["phases"]) == 5
        assert found.task in TASKS and (found.task == TASKS[0]) == (about["phases"][0][0] == "wander")


def test_rows_are_numbered_through_all_shards(recorded):
    tables = [pq.read_table(path, columns=["index"]) for path in sorted(recorded.glob("data/chunk-000/*.parquet"))]
    assert [row for table in tables for row in table["index"].to_pylist()] == list(range(5 * 6)) and len(tables) == 3


def test_the_side_camera_stands_where_it_is_said_to_stand(recorded):
    from scipy.spatial.transform import Rotation

    place = LeRobotEpisodes(recorded)[0].extrinsics["side"]
    assert np.allclose(place[:, :3], SIDE.position, atol=1e-5) and np.allclose(place, SIDE.extrinsics(), atol=1e-5)
    forward = Rotation.from_euler("xyz", place[0, 3:]).apply([0, 0, 1])  # z of the camera looks at the target
    wanted = np.subtract(SIDE.target, SIDE.position)
    assert np.allclose(forward, wanted / np.linalg.norm(wanted), atol=1e-5)
    down = Rotation.from_euler("xyz", place[0, 3:]).apply([0, 1, 0])
    assert down[2] < -0.5


def test_the_wrist_camera_goes_with_the_hand(recorded):
    found = LeRobotEpisodes(recorded)[0]
    apart = np.linalg.norm(found.extrinsics["wrist"][:, :3] - found.states[:, :3], axis=1)
    assert np.ptp(apart) < 0.005 < 0.02 < apart.min() and apart.max() < 0.3


@pytest.mark.slow
def test_workers_change_nothing(recorded, tmp_path):
    assert contents(collect(settings(tmp_path, workers=2))) == contents(recorded)


def test_an_interrupted_run_goes_on_to_the_same_bytes(recorded, tmp_path):
    collect(settings(tmp_path, episodes=3))  # a run that was to be shorter: its last shard is short
    assert missing_shards(settings(tmp_path)) == [1, 2]
    collect(settings(tmp_path))
    assert contents(tmp_path) == contents(recorded)
    (tmp_path / "meta/episodes/chunk-000/file-001.parquet").unlink()  # a kill before the list of the shard was there
    assert missing_shards(settings(tmp_path)) == [1]
    collect(settings(tmp_path))
    assert contents(tmp_path) == contents(recorded)


@pytest.mark.slow
def test_a_killed_process_loses_at_most_a_shard(recorded, tmp_path):
    command = [sys.executable, "-m", "minijepa_robot.data.collect", "--out", str(tmp_path), "--episodes", "5", "--shard", "2"]
    command += ["--size", "32", "--steps", "5", "--workers", "0", "--quiet"]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    first, end = tmp_path / "meta/episodes/chunk-000/file-000.parquet", time.monotonic() + 120
    while not first.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert first.exists()
    collect(settings(tmp_path))
    whole = {name: data for name, data in contents(tmp_path).items() if not name.endswith(".part")}
    assert whole == contents(recorded)


def test_after_an_error_what_is_whole_can_be_read_and_gone_on_from(recorded, tmp_path, monkeypatch):
    def breaks_at_3(recipe, seed, number):
        if number == 3:
            raise EpisodeError("broken")
        return record(recipe, seed, number)

    with monkeypatch.context() as patch:
        patch.setattr(collecting, "record", breaks_at_3)
        with pytest.raises(EpisodeError, match="broken"):
            collect(settings(tmp_path))
    assert len(LeRobotEpisodes(tmp_path)) == 2 == json.loads((tmp_path / "meta/info.json").read_text())["total_episodes"]
    assert contents(collect(settings(tmp_path))) == contents(recorded)


def test_after_an_error_no_other_shard_is_begun(tmp_path, monkeypatch):
    begun = []

    def write_one(settings, number):
        begun.append(number)
        if number == 1:
            raise EpisodeError("broken")
        time.sleep(0.05)
        return number

    monkeypatch.setattr(collecting, "write_one", write_one)
    monkeypatch.setattr(collecting, "ProcessPoolExecutor", ThreadPoolExecutor)  # a spawned process would not see the change
    with pytest.raises(EpisodeError, match="broken"):
        collect(settings(tmp_path, episodes=60, workers=1))
    assert begun[:2] == [0, 1] and len(begun) < 20


def test_videos_have_the_quality_that_was_asked_for(tmp_path):
    found = LeRobotEpisodes(collect(settings(tmp_path, episodes=1, quality=28)))[0].videos["side"][np.arange(6)]
    apart = np.abs(found.astype(int) - record(SMALL, 0, 0).videos["side"])
    assert 0 < apart.mean() < 10


def test_other_options_are_refused(recorded):
    with pytest.raises(EpisodeError, match="recorded with {'seed': 0}, asked for was {'seed': 1}"):
        collect(settings(recorded, seed=1))
    other_size = {"recipe": Recipe(size=64, steps=5)}
    for changes, said in ((other_size, "'size': 32"), ({"shard": 3}, "'shard': 2"), ({"quality": 18}, "'quality': 0")):
        with pytest.raises(EpisodeError, match=said):
            collect(settings(recorded, **changes))


def test_cameras_that_are_drawn_or_move():
    fixed, orbit, moving = (record(Recipe(32, 4, cameras, views=2), 3, 0) for cameras in ("fixed", "orbit", "moving"))
    assert list(orbit.videos) == ["side", "side_2", "wrist"]
    assert (fixed.extrinsics["side"] == fixed.extrinsics["side_2"]).all()
    for name in ("side", "side_2"):
        assert np.ptp(orbit.extrinsics[name], axis=0).max() < 1e-9 < np.ptp(moving.extrinsics[name][:, :3], axis=0).max()
        still = np.abs(np.diff(fixed.videos[name].astype(int), axis=0)).mean()
        assert np.abs(np.diff(moving.videos[name].astype(int), axis=0)).mean() > 1.5 * still
    assert np.linalg.norm(orbit.extrinsics["side"][0, :3] - orbit.extrinsics["side_2"][0, :3]) > 0.05
    assert (record(Recipe(32, 4, "orbit"), 3, 1).extrinsics["side"] != orbit.extrinsics["side"]).any()


def test_drawn_cameras_look_at_the_workspace():
    import torch

    generator = torch.Generator().manual_seed(0)
    middle = np.mean(WORKSPACE, axis=0)
    for _ in range(50):
        camera = draw_stand(60, generator).camera()
        towards = middle - np.array(camera.position)
        angle = np.degrees(np.arccos(-camera.rotation()[:, 2] @ towards / np.linalg.norm(towards)))
        assert angle < 8 and 0.6 < camera.position[2] < 1.2


def test_a_camera_goes_around_the_workspace_and_not_through_it():
    ways = [Stand(-60.0).towards(Stand(60.0), share).camera() for share in np.linspace(0, 1, 9)]
    far = [np.linalg.norm(np.subtract(camera.position, camera.target)) for camera in ways]
    assert np.ptp(far) < 1e-9 and np.allclose(ways[4].position, SIDE.position)
    assert np.allclose(ways[0].position, SIDE.orbit(-60).position) and np.allclose(ways[8].target, SIDE.orbit(60).target)


def test_recorded_episodes_train(recorded):
    clip = EpisodeClips(recorded, ("side",), Slicing(frames=4, size=32)).draw(0, 0, 0)
    assert clip.video.shape == (3, 4, 32, 32) and clip.actions.isfinite().all() and clip.extrinsics.isfinite().all()


def test_bad_options_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="at least 1 step"):
        Recipe(steps=0)
    for changes in ({"episodes": 0}, {"shard": 0}, {"workers": -1}):
        with pytest.raises(ValueError, match="at least 1 episode"):
            settings(tmp_path, **changes)

    def nothing_draws():
        raise gl.NoPictures("install libegl1")

    monkeypatch.setattr(gl, "require_pictures", nothing_draws)
    with pytest.raises(SystemExit, match="error: install libegl1"):
        main(["--out", str(tmp_path)])
