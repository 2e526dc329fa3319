"""Read episodes from a LeRobot data set: our own, a DROID port of version 3.0, or one of 2.1 with a file an episode.

Only the columns that make an Episode are read, and pictures when they are asked for, matched by time: the frame of a row
stands at from_timestamp + timestamp seconds of its file. The rate in the file's head is not used.
"""

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minijepa_robot.data import lerobot_layout as names
from minijepa_robot.data.episodes import Episode, EpisodeError, Truth
from minijepa_robot.data.stored_video import StoredVideo

TRUTH = "observation.environment_state"


class LeRobotEpisodes:
    """Hold the episodes of a LeRobot data set.

    Args:
        root: the folder with meta/info.json.
        cameras: short names of the wanted ones, e.g. "exterior_1_left" or "side"; None means all.

    Raises:
        EpisodeError: no such data set, a version that cannot be read, no Cartesian pose, no such camera.
    """

    def __init__(self, root: str | os.PathLike, cameras: Sequence[str] | None = None) -> None:
        self.root = Path(root)
        self.info = read_info(self.root)
        self.features = self.info["features"]
        keys = names.camera_keys(self.features)
        self.keys = {name: keys[name] for name in (keys if cameras is None else cameras) if name in keys}
        missing = set(cameras or ()) - set(keys)
        if missing:
            wrong = f"expected cameras among {', '.join(keys) or 'none'}, got {', '.join(sorted(missing))}"
            raise EpisodeError.about(self.root, wrong, "pictures inside parquet files are not read; name a video camera")
        self.state = names.state_columns(self.features, str(self.root))
        self.fps = float(self.info["fps"])
        self._rows = _read_lists(self.root, self.info, list(self.keys.values()))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Name the cameras."""
        return tuple(self.keys)

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        """Tell which episode that is."""
        return f"{self.root} episode {self._rows[index]['episode_index']}"

    def row(self, index: int) -> dict:
        """Return what the list of episodes says of one: length, tasks, files, seconds in each video."""
        return self._rows[index]

    def data_path(self, index: int) -> Path:
        """Name the file that holds the rows of an episode."""
        return self.root / self.info["data_path"].format(**self._place(index, "data"))

    def video_path(self, index: int, camera: str) -> Path:
        """Name the file that holds the pictures of an episode."""
        key = self.keys[camera]
        return self.root / self.info["video_path"].format(video_key=key, **self._place(index, f"videos/{key}"))

    def _place(self, index: int, kind: str) -> dict[str, int]:
        """Give what fills the templates of paths: version 3.0 numbers files, 2.1 numbers episodes."""
        row, number = self._rows[index], self._rows[index]["episode_index"]
        old = {"episode_index": number, "episode_chunk": number // int(self.info.get("chunks_size", names.CHUNK))}
        return old | {part: row[f"{kind}/{part}"] for part in ("chunk_index", "file_index") if f"{kind}/{part}" in row}

    def columns(self) -> list[str]:
        """Name the columns that are read."""
        optional = (TRUTH, "action") if self.ours else ()
        wanted = [self.state.position, self.state.gripper, "timestamp", "episode_index", *optional, *names.SUCCESSES]
        wanted += [f"camera_extrinsics.{name}" for name in self.keys]
        return [name for name in wanted if name in self.features]

    @property
    def ours(self) -> bool:
        """Tell whether ``action`` holds commanded changes of the pose: in the ports it holds joint angles."""
        return names.pose_places(self.features.get("action", {}).get("names")) == tuple(range(7))

    def __getitem__(self, index: int) -> Episode:
        """Open an episode; its pictures are read when they are asked for.

        Raises EpisodeError where a file or a row is missing, or a number is not finite.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"expected an episode from 0 to {len(self) - 1}, got {index}")
        row, table = self._rows[index], self._table(index)
        times = table["timestamp"].astype(np.float64)
        success = next((table[key] for key in names.SUCCESSES if key in table), None)
        places = {name: table.get(f"camera_extrinsics.{name}") for name in self.keys}
        try:
            return Episode(
                timestamps=times,
                states=self._states(table),
                videos={name: self._video(index, name, times) for name in self.keys},
                success=None if success is None else bool(success[-1]),
                task=next(iter(row.get("tasks") or ()), ""),
                extrinsics={name: part for name, part in places.items() if part is not None and np.isfinite(part).all()},
                commands=table.get("action"),
                truth=self._truth(table, row),
            )
        except EpisodeError as error:  # say which one it was
            raise EpisodeError(str(error).replace("Episode", self.name(index), 1)) from None

    def _table(self, index: int) -> dict[str, np.ndarray]:
        path = self.data_path(index)
        if not path.is_file():
            raise EpisodeError.about(path, "is missing", f"fetch it again; {self.name(index)} stands in it")
        columns = read_columns(path, self.columns())
        number = self._rows[index]["episode_index"]
        rows = slice(*np.searchsorted(columns["episode_index"], [number, number + 1]))
        length = int(self._rows[index]["length"])
        found = len(columns["episode_index"][rows])
        if found != length:
            wrong = f"holds {found} rows of episode {number}, its list says {length}"
            raise EpisodeError.about(path, wrong, "fetch the file again, or leave this episode out")
        return {key: values[rows] for key, values in columns.items()}

    def _states(self, table: dict[str, np.ndarray]) -> np.ndarray:
        position = table[self.state.position].astype(np.float64)
        if self.state.gripper is None:
            return position[:, list(self.state.places)]
        return np.column_stack((position, table[self.state.gripper].astype(np.float64)))

    def _video(self, index: int, camera: str, times: np.ndarray) -> StoredVideo:
        start = self._rows[index].get(f"videos/{self.keys[camera]}/from_timestamp", 0.0)
        return StoredVideo(str(self.video_path(index, camera)), start + times, slack=0.5 / self.fps)

    def _truth(self, table: dict[str, np.ndarray], row: dict) -> Truth | None:
        if TRUTH not in table:
            return None
        labels = self.features[TRUTH]["names"]
        axes = labels["axes"] if isinstance(labels, dict) else labels or ()
        return Truth(tuple(axes), table[TRUTH].astype(np.float64), row.get("scene") or "")


def read_info(root: Path) -> dict:
    """Read meta/info.json; raises EpisodeError where there is none, or of a version that cannot be read."""
    path = root / "meta" / "info.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EpisodeError.about(path, f"cannot be read ({error})", "give the folder of a LeRobot data set") from error
    if info.get("codebase_version") not in names.READABLE:
        wrong = f"is of version {info.get('codebase_version')}, expected {', '.join(names.READABLE)}"
        raise EpisodeError.about(path, wrong, "convert it with lerobot's own scripts")
    if {"features", "fps", "data_path"} - set(info):
        raise EpisodeError.about(path, "lacks features, fps or data_path", "fetch the file again")
    return info


def _read_lists(root: Path, info: dict, keys: Sequence[str]) -> list[dict]:
    """Read the list of episodes: only the columns that say where an episode is, for ports carry gigabytes of statistics."""
    if info["codebase_version"] != names.VERSION:
        path = root / "meta" / "episodes.jsonl"
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError) as error:
            raise EpisodeError.about(path, f"cannot be read ({error})", "fetch the file again") from error
        return sorted(rows, key=lambda row: row["episode_index"])
    files = sorted((root / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    if not files:
        raise EpisodeError.about(root / "meta" / "episodes", "holds no list of episodes", "fetch the folder meta again")
    wanted = {"episode_index", "length", "tasks", "scene", "data/chunk_index", "data/file_index"}
    wanted |= {f"videos/{key}/{part}" for key in keys for part in ("chunk_index", "file_index", "from_timestamp")}
    rows = []
    for path in files:
        there = pq.read_schema(path).names
        rows += pq.read_table(path, columns=[name for name in there if name in wanted]).to_pylist()
    return sorted(rows, key=lambda row: row["episode_index"])


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Read some columns of a file of rows as arrays, or remember them: a file holds many episodes."""
    stat = path.stat()
    return _columns(str(path), tuple(columns), (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=8)
def _columns(path: str, columns: tuple[str, ...], version: tuple[int, int]) -> dict[str, np.ndarray]:
    try:
        file = pq.ParquetFile(path)
        missing = set(columns) - set(file.schema_arrow.names)
        if missing:
            wrong = f"lacks the columns {', '.join(sorted(missing))}, which meta/info.json promises"
            raise EpisodeError.about(path, wrong, "fetch the file again")
        table = file.read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise EpisodeError.about(path, f"cannot be read ({error})", "fetch the file again") from error
    return {name: _array(table[name].combine_chunks(), f"{path} {name}") for name in columns}


def _array(column: pa.Array, source: str) -> np.ndarray:
    """Turn a column of numbers or of lists of one length into (rows,) or (rows, width)."""
    if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type) or pa.types.is_large_list(column.type)):
        return column.to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if not len(column) or len(flat) % len(column):
        raise EpisodeError.about(source, f"{len(column)} rows hold {len(flat)} numbers", "lists of one length are wanted")
    wide = flat.reshape(len(column), -1)
    return wide[:, 0] if wide.shape[1] == 1 else wide
