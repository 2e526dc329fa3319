"""Take a whole data set of episodes into memory, as tensors: for sets that fit there, the fastest way to train."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from minijepa.files import replacing
from minijepa_robot.data.dataset import open_episodes
from minijepa_robot.data.episodes import Episode, EpisodeError, EpisodeSource, actions, clip_rows, whole_at
from minijepa_robot.data.views import Cut, view


@dataclass(frozen=True)
class Arrays:
    """Hold episodes of one length; everything is on the CPU. What nobody wrote down is NaN (``success``: False)."""

    views: dict[str, UInt8[Tensor, "e f 3 H W"]]  # by camera
    states: Float[Tensor, "e f 7"]
    actions: Float[Tensor, "e t 7"]  # t = f - 1, derived from the states
    commands: Float[Tensor, "e f 7"]  # what the arm was told; the last of each episode is unused
    extrinsics: dict[str, Float[Tensor, "e f 6"]]  # by camera
    success: Bool[Tensor, "e"]
    places: Float[Tensor, "e f k"]  # of things, as a simulator knows them
    skipped: tuple[str, ...] = ()  # episodes that could not be used, with the reason


def load_arrays(
    path: str | os.PathLike,
    cameras: Sequence[str] | None = None,
    size: int = 64,
    cut: Cut = "square",
    fps: float | int = 4,
    frames: int | None = None,
    cache: bool = False,
) -> Arrays:
    """Read all episodes of a data set at one rate and size.

    Args:
        path: anything that ``open_episodes`` takes.
        cameras: wanted ones; None means all (raw DROID: the left one).
        size: side of the pictures, pixels.
        cut: how a square is cut out of a frame, see ``view``.
        fps: wanted rate, Hz.
        frames: length of an episode: the first ``frames`` moments of each are taken and shorter ones skipped. None wants
            whole episodes, which then have to be of one length.
        cache: keep the result beside the data, in cache_….safetensors, and take it from there the next time.

    Raises:
        EpisodeError: no data set, no usable episode, or episodes of several lengths.
    """
    source = open_episodes(path, cameras)
    wanted = {"cameras": list(source.cameras), "size": size, "cut": cut, "fps": fps, "frames": frames}
    wanted |= {"episodes": len(source), "stamp": _stamp(Path(path))}
    place = _cache_path(Path(path), wanted)
    if cache and place.is_file():
        return _read(place)
    arrays = _gather(source, path, size, cut, fps, frames)
    if cache:
        _write(place, arrays)
    return arrays


def _gather(source: EpisodeSource, path, size: int, cut: Cut, fps: float | int, frames: int | None) -> Arrays:
    found, skipped = [], []
    for index in tqdm(range(len(source)), unit="episode", disable=None):
        try:
            episode = source[index]
            found.append(_one(episode, source.cameras, _rows(episode, fps, frames), size, cut))
        except (ValueError, OSError) as error:
            skipped.append(f"{source.name(index)}: {error}")
    lengths = sorted({len(one["states"]) for one in found})
    if len(lengths) != 1:
        wrong = f"episodes have {lengths[0]} to {lengths[-1]} rows at {fps:g} Hz" if lengths else "no episode could be read"
        mend = "give frames=… to take the first moments of each" if lengths else f"the first said: {skipped[:1]}"
        raise EpisodeError.about(path, wrong, mend)
    names = found[0].keys()
    return _arrays({name: torch.stack([one.pop(name) for one in found]) for name in list(names)}, tuple(skipped))


def _rows(episode: Episode, fps: float | int, frames: int | None):
    if frames is None:
        return whole_at(episode.timestamps, fps)
    rows = clip_rows(episode.timestamps, frames, fps)
    if not len(rows):
        raise EpisodeError.about("episode", f"{len(episode)} rows hold no {frames} frames at {fps:g} Hz", "ask for fewer")
    return rows[0]


def _one(episode: Episode, cameras: Sequence[str], rows, size: int, cut: Cut) -> dict[str, Tensor]:
    """Give what ``Arrays`` holds of one episode, with flat names."""
    part = episode.take(rows, cameras)
    f = len(rows)
    one = {f"views.{name}": view(part.videos[name], size, cut) for name in cameras}
    unknown = torch.full((f, 7), float("nan"))
    one["states"], one["actions"] = torch.from_numpy(part.states).float(), torch.from_numpy(actions(part.states)).float()
    # a command holds for one row: at another rate it means nothing
    told = part.commands is not None and len(rows) == len(episode)
    one["commands"] = torch.from_numpy(part.commands).float() if told else unknown
    for name in cameras:
        place = part.extrinsics.get(name)
        one[f"extrinsics.{name}"] = unknown[:, :6].clone() if place is None else torch.from_numpy(place).float()
    one["success"] = torch.tensor(bool(part.success))
    one["places"] = torch.from_numpy(part.truth.places).float() if part.truth else torch.zeros(f, 0)
    return one


def _arrays(flat: dict[str, Tensor], skipped: tuple[str, ...]) -> Arrays:
    groups = {kind: {name.split(".", 1)[1]: x for name, x in flat.items() if name.startswith(kind + ".")} for kind in GROUPS}
    return Arrays(**groups, **{name: x for name, x in flat.items() if "." not in name}, skipped=skipped)


GROUPS = ("views", "extrinsics")


def _cache_path(path: Path, wanted: dict) -> Path:
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
    return (path if path.is_dir() else path.parent) / f"cache_{key}.safetensors"


def _stamp(path: Path) -> list[int]:
    """Tell one state of a data set from another by the files that say what is in it."""
    stat = next((place.stat() for place in (path / "meta" / "info.json", path) if place.is_file()), None)
    return [stat.st_size, stat.st_mtime_ns] if stat else []


def _write(path: Path, arrays: Arrays) -> None:
    flat = {name: value for name, value in vars(arrays).items() if isinstance(value, Tensor)}
    flat |= {f"{kind}.{name}": value for kind in GROUPS for name, value in getattr(arrays, kind).items()}
    with replacing(path) as beside:
        save_file({name: value.contiguous() for name, value in flat.items()}, beside, {"skipped": json.dumps(arrays.skipped)})


def _read(path: Path) -> Arrays:
    with safe_open(path, "pt") as file:
        flat = {name: file.get_tensor(name) for name in file.keys()}
        return _arrays(flat, tuple(json.loads(file.metadata()["skipped"])))
