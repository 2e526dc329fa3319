"""What is written as LeRobot 3.0 is read back; ports of 3.0 and 2.1 under their own names too; a kill loses one shard."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="episodes on disk need pyarrow: pip install 'minijepa[robot]'")

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from minijepa.data.video import decode, read_timeline  # noqa: E402
from minijepa_robot.data.episodes import Episode, EpisodeError  # noqa: E402
from minijepa_robot.data.lerobot import LeRobotEpisodes  # noqa: E402
from minijepa_robot.data.lerobot_layout import Layout  # noqa: E402
from minijepa_robot.data.lerobot_write import Place, finished, write_episodes  # noqa: E402
from tests.robot.made_episodes import PIXELS, episode, pictures, row_of, seed_of, states, write_video  # noqa: E402

KEY = "observation.images.exterior_1_left"


def layout(**changes):
    settings = {"cameras": {"side": PIXELS, "wrist": PIXELS}, "tasks": ("reach", "pick up the cube")}
    return Layout(**(settings | {"truths": ("cube.x", "cube.y"), "quality": 8, "file_episodes": 3} | changes))


@pytest.fixture
def ours(tmp_path):
    lengths = (12, 9, 14, 10, 11)
    write_episodes(tmp_path, layout(), (episode(rows, seed) for seed, rows in enumerate(lengths)))
    return tmp_path, lengths


def test_round_trip(ours):
    root, lengths = ours
    data = LeRobotEpisodes(root)
    assert data.cameras == ("side", "wrist") and [len(data[i]) for i in range(len(data))] == list(lengths)
    for number, rows in enumerate(lengths):
        found, made = data[number], episode(rows, number)
        assert np.allclose(found.states, made.states, atol=1e-6) and np.allclose(found.commands, made.commands, atol=1e-6)
        assert np.allclose(found.timestamps, made.timestamps) and found.success == made.success and found.task == made.task
        assert np.allclose(found.extrinsics["wrist"], made.extrinsics["wrist"], atol=1e-6)
        assert np.allclose(found.truth.places, made.truth.places, atol=1e-6) and found.truth.scene == made.truth.scene
        for place, camera in enumerate(("side", "wrist")):
            frames = found.videos[camera][np.arange(rows)]
            assert row_of(frames).tolist() == list(np.arange(rows) % 14) and set(seed_of(frames)) == {number + place}
            assert np.abs(frames.astype(int) - made.videos[camera]).mean() < 3


def test_quality_0_keeps_every_pixel(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, *PIXELS, 3), np.uint8)
    made = Episode(**(vars(episode()) | {"videos": {"side": noise, "wrist": noise[::-1]}}))
    write_episodes(tmp_path, layout(quality=0), [made, episode(seed=1), made])
    data = LeRobotEpisodes(tmp_path)
    for number in (0, 2):
        assert (data[number].videos["side"][np.arange(12)] == noise).all()
        assert (data[number].videos["wrist"][np.array([11, 3])] == noise[[0, 8]]).all()
    timeline = read_timeline(tmp_path / "videos/observation.images.side/chunk-000/file-000.mp4")
    assert {timeline.ticks.index(stamp) for stamp, _ in timeline.keys} >= {0, 12, 24} and timeline.clean


def test_files_are_those_of_the_format(ours):
    root, lengths = ours
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    numbered = ["data", "meta/episodes", "videos/observation.images.side", "videos/observation.images.wrist"]
    kinds = ["parquet", "parquet", "mp4", "mp4"]
    wanted = [f"{name}/chunk-000/file-00{n}.{kind}" for name, kind in zip(numbered, kinds) for n in (0, 1)]
    assert files == sorted([*wanted, "meta/info.json", "meta/stats.json", "meta/tasks.parquet"])
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["total_episodes"] == 5 and info["total_frames"] == sum(lengths)
    rows = pa.concat_tables([pq.read_table(root / f"data/chunk-000/file-00{n}.parquet") for n in (0, 1)])
    assert rows["index"].to_pylist() == list(range(sum(lengths))) and set(rows.column_names) | {
        "observation.images.side",
        "observation.images.wrist",
    } == set(info["features"])
    assert rows["task_index"].to_pylist() == [1] * sum(lengths)
    lists = pa.concat_tables([pq.read_table(root / f"meta/episodes/chunk-000/file-00{n}.parquet") for n in (0, 1)])
    assert lists["dataset_from_index"].to_pylist() == [0, 12, 21, 35, 45] and lists["data/file_index"].to_pylist() == [
        0,
        0,
        0,
        1,
        1,
    ]
    assert lists["videos/observation.images.side/from_timestamp"].to_pylist() == [0, 3, 5.25, 0, 2.5]
    tasks = pq.read_table(root / "meta/tasks.parquet")
    assert tasks["task"].to_pylist() == ["reach", "pick up the cube"] and b"pandas" in tasks.schema.metadata


def test_statistics_are_those_of_all_rows(ours):
    root, lengths = ours
    stats = json.loads((root / "meta/stats.json").read_text())
    everything = np.concatenate([states(rows, seed) for seed, rows in enumerate(lengths)])
    found = stats["observation.state"]
    assert np.allclose(found["mean"], everything.mean(0), atol=1e-6) and np.allclose(found["std"], everything.std(0), atol=1e-6)
    assert np.allclose(found["min"], everything.min(0), atol=1e-6) and found["count"] == [sum(lengths)]
    assert np.shape(stats["observation.images.side"]["mean"]) == (3, 1, 1)


@pytest.mark.parametrize("quality", [0, 8])
def test_every_episode_begins_with_a_key_frame(tmp_path, quality):
    still = np.full((12, *PIXELS, 3), 90, np.uint8)  # nothing in the pictures asks for a key frame
    made = [Episode(**(vars(episode(truth=False)) | {"videos": {"side": still}})) for _ in range(3)]
    write_episodes(tmp_path, layout(cameras={"side": PIXELS}, truths=(), quality=quality), made)
    timeline = read_timeline(tmp_path / "videos/observation.images.side/chunk-000/file-000.mp4")
    keys = {timeline.ticks.index(stamp) for stamp, _ in timeline.keys}
    assert keys == {0, 12, 24} and timeline.clean and len(timeline) == 36


def test_the_same_episodes_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_episodes(tmp_path / name, layout(), (episode(seed=seed) for seed in range(4)))
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 11 and all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_an_error_loses_the_current_shard_alone_and_writing_goes_on(tmp_path):
    def broken():
        yield from (episode(seed=seed) for seed in range(4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_episodes(tmp_path, layout(), broken())
    assert finished(tmp_path) == Place(1, 3, 36)
    assert json.loads((tmp_path / "meta/info.json").read_text())["total_episodes"] == 3
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("file-001*"))
    write_episodes(tmp_path, layout(), (episode(seed=seed) for seed in range(3, 5)))
    write_episodes(tmp_path / "once", layout(), (episode(seed=seed) for seed in range(5)))
    for path in (tmp_path / "once").rglob("file-*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(tmp_path / "once")).read_bytes()
    assert (tmp_path / "meta/info.json").read_bytes() == (tmp_path / "once/meta/info.json").read_bytes()


def test_a_file_that_has_its_size_gets_no_further_episode(tmp_path):
    generator = np.random.default_rng(0)
    noise = [np.repeat(generator.integers(0, 255, (12, *PIXELS, 1), np.uint8), 3, axis=3) for _ in range(12)]
    made = [episode(seed=n, cameras=("side",)) for n in range(12)]
    made = [type(e)(**(vars(e) | {"videos": {"side": frames}})) for e, frames in zip(made, noise)]
    place = write_episodes(tmp_path, layout(cameras={"side": PIXELS}, file_mb=0.05, file_episodes=1000), iter(made))
    data = LeRobotEpisodes(tmp_path)
    assert 2 <= place.shard < 12 and place.episode == len(data) == 12
    assert all(np.abs(data[n].videos["side"][np.arange(12)].astype(int) - noise[n]).mean() < 10 for n in range(12))


def test_another_layout_is_refused(ours):
    root, _ = ours
    with pytest.raises(EpisodeError, match="another layout"):
        write_episodes(root, layout(cameras={"side": PIXELS}), [])


@pytest.mark.parametrize(
    "made, message",
    [
        (episode(cameras=("side",)), "expected the cameras side, wrist, got side"),
        (episode(fps=5), "even 4 Hz"),
        (episode(truth=False), "environment state"),
    ],
)
def test_episodes_that_do_not_fit_are_refused(tmp_path, made, message):
    with pytest.raises(EpisodeError, match=message):
        write_episodes(tmp_path, layout(), [made])


def port(root, version="v3.0", older=False, frames=None, av1=False):
    """Write two episodes as the ports of DROID do: 15 Hz, joint angles in ``observation.state``, AV1 or H.264 at any rate."""
    key = "observation.images.exterior_image_1_left" if older else KEY
    lengths = (40, 30)
    features = {key: {"dtype": "video", "shape": [*PIXELS, 3], "names": ["height", "width", "channels"]}}
    joints = {"axes": [f"joint_{i}" for i in range(7)] + ["gripper"]}
    features["observation.state"] = {"dtype": "float32", "shape": [8], "names": joints}
    features["action"] = {"dtype": "float32", "shape": [8], "names": joints}
    for name, width in (("observation.state.cartesian_position", 6), ("observation.state.gripper_position", 1)):
        features[name] = {"dtype": "float32", "shape": [width], "names": None}
    for name in ("timestamp", "episode_index", "is_episode_successful"):
        features[name] = {"dtype": "float32", "shape": [1], "names": None}
    features["camera_extrinsics.exterior_1_left"] = {"dtype": "float32", "shape": [6], "names": None}
    new = version == "v3.0"
    info = {"codebase_version": version, "fps": 15, "features": features, "chunks_size": 1000, "total_episodes": 2}
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet" if new else OLD_DATA
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4" if new else OLD_VIDEO
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    tables = [port_table(n, rows) for n, rows in enumerate(lengths)]
    films = [pictures(rows, n) for n, rows in enumerate(lengths)]
    if new:
        write_table(root / "data/chunk-000/file-000.parquet", pa.concat_tables(tables))
        write = write_av1 if av1 else write_video
        write(root / f"videos/{key}/chunk-000/file-000.mp4", np.concatenate(films)[: frames or None])
        write_table(root / "meta/episodes/chunk-000/file-000.parquet", port_list(key, lengths))
    else:
        for n in range(2):
            write_table(root / OLD_DATA.format(episode_chunk=0, episode_index=n), tables[n])
            write_video(root / OLD_VIDEO.format(episode_chunk=0, episode_index=n, video_key=key), films[n])
        rows = [{"episode_index": n, "tasks": ["wipe"], "length": rows} for n, rows in enumerate(lengths)]
        (root / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return root


OLD_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
OLD_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"


def port_table(number, rows):
    pose = states(rows, number).astype(np.float32)
    return pa.table(
        {
            "observation.state": pa.array(np.zeros((rows, 8), np.float32).tolist()),
            "action": pa.array(np.zeros((rows, 8), np.float32).tolist()),
            "observation.state.cartesian_position": pa.array(pose[:, :6].tolist(), pa.list_(pa.float32())),
            "observation.state.gripper_position": pa.array(pose[:, 6:].tolist(), pa.list_(pa.float32(), 1)),
            "camera_extrinsics.exterior_1_left": pa.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * rows),
            "is_episode_successful": pa.array([number == 0] * rows),
            "timestamp": pa.array((np.arange(rows) / 15).astype(np.float32)),
            "episode_index": pa.array([number] * rows),
        }
    )


def port_list(key, lengths):
    ends = np.cumsum(lengths)
    columns = {"episode_index": [0, 1], "length": list(lengths), "tasks": [["wipe"], ["wipe"]]}
    columns |= {"data/chunk_index": [0, 0], "data/file_index": [0, 0]}
    columns |= {f"videos/{key}/chunk_index": [0, 0], f"videos/{key}/file_index": [0, 0]}
    columns |= {f"videos/{key}/from_timestamp": [0.0, ends[0] / 15], "stats/huge": [[1.0] * 100] * 2}
    return pa.table(columns)


def write_table(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_av1(path, frames):
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libsvtav1", rate=15, options={"crf": "15", "g": "2", "preset": "12"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for picture in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


@pytest.mark.parametrize("version, older", [("v3.0", False), ("v2.1", False), ("v2.1", True), ("v3.0", True)])
def test_ports_of_droid_open_under_one_camera_name(tmp_path, version, older):
    data = LeRobotEpisodes(port(tmp_path, version, older), ["exterior_1_left"])
    assert [len(data[n]) for n in (0, 1)] == [40, 30] and (data[0].success, data[1].success) == (True, False)
    for n, rows in enumerate((40, 30)):
        found = data[n]
        assert np.allclose(found.states, states(rows, n), atol=1e-6) and found.task == "wipe" and found.commands is None
        chosen = np.array([0, 4, 7, 11, 15, 19, 22, 26])
        frames = found.videos["exterior_1_left"][chosen]
        assert row_of(frames).tolist() == list(chosen % 14) and set(seed_of(frames)) == {n}
        assert np.allclose(found.extrinsics["exterior_1_left"], np.arange(1, 7) / 10)


def test_av1_is_read(tmp_path):
    data = LeRobotEpisodes(port(tmp_path, av1=True))
    frames = data[1].videos["exterior_1_left"][np.array([0, 13, 29])]
    assert row_of(frames).tolist() == [0, 13, 1] and set(seed_of(frames)) == {1}
    with pytest.raises(ValueError, match="decord"):
        decode(data.video_path(1, "exterior_1_left"), [0], backend="decord")


def test_a_video_that_ends_too_early_is_told(tmp_path):
    data = LeRobotEpisodes(port(tmp_path, frames=60))
    assert len(data[0].videos["exterior_1_left"][np.arange(40)]) == 40
    with pytest.raises(EpisodeError, match="has no frame at 4.6"):
        data[1].videos["exterior_1_left"][np.arange(30)]


def test_missing_parts_are_told(tmp_path):
    root = port(tmp_path)
    with pytest.raises(EpisodeError, match="expected cameras among exterior_1_left, got side"):
        LeRobotEpisodes(root, ["side"])
    data = LeRobotEpisodes(root)
    data.data_path(0).unlink()
    with pytest.raises(EpisodeError, match="is missing.*episode 0"):
        data[0]


def test_an_episode_of_another_length_than_its_list_says_is_refused(tmp_path):
    root = port(tmp_path)
    path = root / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path)[:65], path)
    data = LeRobotEpisodes(root)
    assert len(data[0]) == 40
    with pytest.raises(EpisodeError, match="holds 25 rows of episode 1, its list says 30"):
        data[1]


def test_joint_angles_alone_are_refused(tmp_path):
    root = port(tmp_path)
    info = json.loads((root / "meta/info.json").read_text())
    del info["features"]["observation.state.cartesian_position"]
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(EpisodeError, match="no Cartesian pose with a gripper; its features are action"):
        LeRobotEpisodes(root)
    info["features"]["observation.state"]["names"] = {"motors": ["x", "y", "z", "roll", "pitch", "yaw", "pad", "gripper"]}
    (root / "meta/info.json").write_text(json.dumps(info))
    assert LeRobotEpisodes(root)[0].states.shape == (40, 7)


def test_other_versions_are_refused(tmp_path):
    root = port(tmp_path)
    (root / "meta/info.json").write_text('{"codebase_version": "v1.6"}')
    with pytest.raises(EpisodeError, match="version v1.6"):
        LeRobotEpisodes(root)
