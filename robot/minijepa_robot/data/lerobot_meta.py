"""What a LeRobot data set says about itself as a whole: info.json, stats.json and tasks.parquet."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minijepa.files import replacing
from minijepa_robot.data import lerobot_layout as names
from minijepa_robot.data.lerobot_layout import Layout

SAMPLED = 8  # pictures of an episode that its statistics look at
KINDS = ("min", "max", "mean", "std", "count")


def statistics(table: pa.Table) -> dict[str, list[float]]:
    """Return min, max, mean, std and count of every number of an episode, named as the format names them."""
    found = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else 1
        values = (column.flatten() if width > 1 else column).to_numpy(zero_copy_only=False)
        found |= _describe(name, values.reshape(-1, width).astype(np.float64))
    return found


def frame_statistics(name: str, pictures: np.ndarray) -> dict[str, list]:
    """Return the same of some pictures of an episode, a colour at a time, with pixels from 0 to 1."""
    rows = np.linspace(0, len(pictures) - 1, min(SAMPLED, len(pictures))).round().astype(int)
    found = _describe(name, pictures[rows].reshape(-1, 3) / 255)
    count = found.pop(f"stats/{name}/count")
    shaped = {key: [[[x]] for x in value] for key, value in found.items()}  # (3, 1, 1), as the format has it
    return shaped | {f"stats/{name}/count": [count[0] // pictures[0][..., 0].size]}


def _describe(name: str, values: np.ndarray) -> dict[str, list[float]]:
    """Describe (rows, numbers); a NaN means that nobody knows, and a number that nobody ever knew is described by zeros."""
    known = np.where(np.isfinite(values).any(0), values, 0.0)
    parts = (np.nanmin(known, 0), np.nanmax(known, 0), np.nanmean(known, 0), np.nanstd(known, 0), np.array([len(values)]))
    return {f"stats/{name}/{kind}": part.tolist() for kind, part in zip(KINDS, parts)}


def merged(rows: Sequence[dict], name: str) -> dict[str, list]:
    """Put the statistics of episodes together: the spread of all is that within them and that between their means."""
    least, most, mean, std, count = (np.array([row[f"stats/{name}/{kind}"] for row in rows]) for kind in KINDS)
    weight = (count / count.sum()).reshape(-1, *[1] * (mean.ndim - 1))
    middle = (weight * mean).sum(0)
    spread = np.sqrt((weight * (std**2 + (mean - middle) ** 2)).sum(0))
    parts = (least.min(0), most.max(0), middle, spread, count.sum(0))
    return {kind: part.tolist() for kind, part in zip(KINDS, parts)}


def write_meta(root: Path, layout: Layout, lists: Sequence[Path]) -> None:
    """Write the three files from the lists of episodes of all shards."""
    rows = [row for path in lists for row in pq.read_table(path).to_pylist()]
    rows.sort(key=lambda row: row["episode_index"])
    if rows:
        wanted = sorted({key.split("/")[1] for key in rows[0] if key.startswith("stats/")})
        write_json(root / "meta" / "stats.json", {name: merged(rows, name) for name in wanted})
    _write_tasks(root / "meta" / "tasks.parquet", layout.tasks)
    write_json(root / "meta" / "info.json", info(layout, len(rows), sum(row["length"] for row in rows)))


def info(layout: Layout, episodes: int, frames: int) -> dict:
    """Return the content of meta/info.json."""
    totals = {"total_episodes": episodes, "total_frames": frames, "total_tasks": len(layout.tasks)}
    sizes = {"chunks_size": names.CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": min(layout.file_mb, 500)}
    paths = {"data_path": names.DATA_PATH, "video_path": names.VIDEO_PATH}
    head = {"codebase_version": names.VERSION, "robot_type": layout.robot} | totals | sizes
    return head | {"fps": layout.fps, "splits": {"train": f"0:{episodes}"}} | paths | {"features": names.features(layout)}


def write_json(path: Path, content: dict) -> None:
    """Write a json file beside its place and rename it."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the instructions as pandas would with them as the index, for lerobot reads the file through pandas."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(list(tasks), pa.string())})
    columns = [_pandas("task_index", "int64", "int64"), _pandas("task", "unicode", "object")]
    note = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    with replacing(path) as beside:
        pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(note)}), beside)


def _pandas(name: str, kind: str, numpy: str) -> dict:
    return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
