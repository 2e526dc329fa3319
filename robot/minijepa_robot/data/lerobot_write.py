"""Write episodes as a LeRobot v3.0 data set, one numbered set of files at a time.

A shard is the files with one number: a video for each camera, the rows, and the list of its episodes, which appears last. A
shard is there if its list is there, so a kill loses at most the shard that was being written, and several processes may
write different shards. ``finish`` makes meta/info.json, stats.json and tasks.parquet agree with the shards.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minijepa.files import replacing
from minijepa_robot.data import lerobot_layout as names
from minijepa_robot.data.encode_video import VideoTrack
from minijepa_robot.data.episodes import Episode, EpisodeError, actions
from minijepa_robot.data.lerobot_layout import IMAGES, Layout
from minijepa_robot.data.lerobot_meta import frame_statistics, info, statistics, write_json, write_meta


@dataclass(frozen=True)
class Place:
    """Say where the next shard begins."""

    shard: int = 0
    episode: int = 0
    frame: int = 0  # rows of all episodes before


def write_episodes(root: Path, layout: Layout, episodes: Iterable[Episode]) -> Place:
    """Write episodes behind those that are there, shard after shard, and bring the metadata up to date.

    After a kill, call ``finished(root).episode`` to learn how many are there, and go on with the next.
    Returns the place behind the last one. Raises EpisodeError for an episode that does not fit the layout, or a folder
    that holds another layout.
    """
    begin(root, layout)
    place, behind, rest = None, finished(root), iter(episodes)
    try:
        while behind != place:
            place, behind = behind, write_shard(root, layout, behind, rest)
    finally:  # also after an error: what is whole counts
        finish(root, layout)
    return place


def begin(root: Path, layout: Layout) -> None:
    """Make the folder and its meta/info.json; refuse a folder that holds a data set of another layout."""
    place = root / "meta" / "info.json"
    if place.exists():
        there = json.loads(place.read_text())
        if there.get("features") != names.features(layout) or there.get("fps") != layout.fps:
            mend = "give the same cameras, sizes, rate and names, or another folder"
            raise EpisodeError.about(root, "holds a data set of another layout", mend)
    else:
        write_json(place, info(layout, 0, 0))


def finished(root: Path) -> Place:
    """Find the place behind the shards that are whole, from number 0 on without a gap."""
    place = Place()
    for number in sorted(shards(root)):
        if number != place.shard:
            break
        rows = pq.read_table(shards(root)[number], columns=["length"])["length"].to_pylist()
        place = Place(number + 1, place.episode + len(rows), place.frame + sum(rows))
    return place


def shards(root: Path) -> dict[int, Path]:
    """Name the list of episodes of each shard that is whole, by number."""
    found = (root / "meta" / "episodes").glob("chunk-*/file-*.parquet")
    return {int(path.parent.name[6:]) * names.CHUNK + int(path.stem[5:]): path for path in found}


def write_shard(root: Path, layout: Layout, place: Place, episodes: Iterator[Episode]) -> Place:
    """Write one shard from the next episodes of an iterator, until it is full or they end.

    Returns the place behind it: the same one where there was no episode left. After an error nothing of it is left.
    """
    first = next(episodes, None)
    if first is None:
        return place
    chunk, number = divmod(place.shard, names.CHUNK)
    where = {"chunk_index": chunk, "file_index": number}
    with ExitStack() as stack:  # the list of episodes is entered first, so that it is renamed last
        index = stack.enter_context(replacing(root / names.EPISODES_PATH.format(**where)))
        data = stack.enter_context(replacing(root / names.DATA_PATH.format(**where)))
        paths = {name: root / names.VIDEO_PATH.format(video_key=IMAGES + name, **where) for name in layout.cameras}
        files = {name: stack.enter_context(replacing(path)) for name, path in paths.items()}
        rows, tables = _fill(layout, place, where, chain([first], episodes), files)
        with pq.ParquetWriter(data, tables[0].schema, compression="snappy") as writer:
            for table in tables:  # one row group an episode
                writer.write_table(table)
        pq.write_table(pa.Table.from_pylist(rows), index, compression="snappy")
    return Place(place.shard + 1, place.episode + len(rows), place.frame + sum(row["length"] for row in rows))


def _fill(
    layout: Layout, place: Place, where: dict[str, int], episodes: Iterator[Episode], files: dict[str, Path]
) -> tuple[list[dict], list[pa.Table]]:
    """Encode pictures and gather rows until a file has its size; give the rows of the list and the tables of rows."""
    rows, tables, frame = [], [], place.frame
    with ExitStack() as stack:
        tracks = {
            name: stack.enter_context(VideoTrack(file, layout.cameras[name], layout.fps, layout.quality))
            for name, file in files.items()
        }
        for episode in episodes:
            number = place.episode + len(rows)
            _check(layout, episode, f"episode {number}")
            table = _table(layout, episode, number, frame)
            row = _index_row(layout, episode, number, frame, where) | statistics(table)
            for name, track in tracks.items():
                pictures = episode.videos[name][np.arange(len(episode))]
                row |= _span(IMAGES + name, where, track, pictures) | frame_statistics(IMAGES + name, pictures)
            rows, tables, frame = [*rows, row], [*tables, table], frame + len(episode)
            full = len(rows) >= layout.file_episodes or any(track.megabytes() >= layout.file_mb for track in tracks.values())
            if full:
                break
    return rows, tables


def _check(layout: Layout, episode: Episode, source: str) -> None:
    mend = "describe it in the Layout, or leave the episode out"
    if not set(layout.cameras) <= set(episode.videos):
        wrong = f"expected the cameras {', '.join(layout.cameras)}, got {', '.join(episode.videos) or 'none'}"
        raise EpisodeError.about(source, wrong, mend)
    if episode.task not in layout.tasks:
        raise EpisodeError.about(source, f"its task {episode.task!r} is not among {layout.tasks}", mend)
    if layout.truths != (episode.truth.names if episode.truth else ()):
        raise EpisodeError.about(source, f"expected the environment state {layout.truths}, got {episode.truth}", mend)
    late = np.abs(episode.timestamps - episode.timestamps[0] - np.arange(len(episode)) / layout.fps).max()
    if late > 1e-3:  # s
        wrong = f"its rows are up to {late:.4f} s away from an even {layout.fps:g} Hz, which the format wants"
        raise EpisodeError.about(source, wrong, "take its rows at an even rate first: episode.take(whole_at(…))")


def _table(layout: Layout, episode: Episode, number: int, frame: int) -> pa.Table:
    """Give the rows of data/….parquet; a camera whose place is not known has NaN."""
    f = len(episode)
    told = episode.commands if episode.commands is not None else np.vstack((actions(episode.states), np.zeros((1, 7))))
    columns = {
        "observation.state": _floats(episode.states),
        "observation.state.cartesian_position": _floats(episode.states[:, :6]),
        "observation.state.gripper_position": _floats(episode.states[:, 6]),
        "action": _floats(told),
    }
    if episode.truth:
        columns["observation.environment_state"] = _floats(episode.truth.places)
    for name in layout.cameras:
        columns[f"camera_extrinsics.{name}"] = _floats(episode.extrinsics.get(name, np.full((f, 6), np.nan)))
    columns["is_episode_successful"] = pa.array([bool(episode.success)] * f)
    columns["timestamp"] = _floats(np.arange(f) / layout.fps)
    whole = {"frame_index": np.arange(f), "episode_index": np.full(f, number), "index": frame + np.arange(f)}
    whole["task_index"] = np.full(f, layout.tasks.index(episode.task))
    return pa.table(columns | {name: pa.array(values.astype(np.int64)) for name, values in whole.items()})


def _floats(values: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _index_row(layout: Layout, episode: Episode, number: int, frame: int, where: dict[str, int]) -> dict:
    """Give the row of meta/episodes/….parquet, but for videos and statistics."""
    row = {"episode_index": number, "tasks": [episode.task], "length": len(episode)}
    row |= {"dataset_from_index": frame, "dataset_to_index": frame + len(episode)}
    row |= {f"{kind}/{key}": value for kind in ("data", "meta/episodes") for key, value in where.items()}
    return row | {"scene": episode.truth.scene if episode.truth else ""}


def _span(key: str, where: dict[str, int], track: VideoTrack, pictures: np.ndarray) -> dict:
    """Encode the pictures of an episode and tell between which seconds of the file they stand."""
    start = track.seconds
    track.append(pictures)
    row = {f"videos/{key}/{part}": value for part, value in where.items()}
    return row | {f"videos/{key}/from_timestamp": start, f"videos/{key}/to_timestamp": track.seconds}


def finish(root: Path, layout: Layout) -> None:
    """Write meta/info.json, meta/stats.json and meta/tasks.parquet for the shards that are there."""
    write_meta(root, layout, [path for _, path in sorted(shards(root).items())])
