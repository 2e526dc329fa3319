"""Look over a copy of a robot data set: what is there, what is missing, and do the numbers mean what training thinks?

Everything that can be told from lists and file names is told of all episodes; states and pictures are looked at in a sample.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from jaxtyping import Float, Int

from minijepa.data.video_files import seeded
from minijepa_robot.data import droid
from minijepa_robot.data.droid import DroidEpisodes
from minijepa_robot.data.episodes import Episode, EpisodeSource, clip_rows
from minijepa_robot.data.lerobot import LeRobotEpisodes
from minijepa_robot.data.stored_video import StoredVideo, file_timeline


@dataclass(frozen=True)
class Inventory:
    """Tell what lists and file names say of all episodes."""

    form: str
    episodes: int
    rows: int  # of all; 0 where no list says it
    cameras: dict[str, int]  # in how many episodes each is named
    files: int  # that are wanted
    missing: tuple[str, ...]  # of these, and entries of lists


@dataclass(frozen=True)
class Film:
    """Tell what the file of one camera says of itself."""

    codec: str
    size: tuple[int, int]  # height, width
    playback: float  # Hz, that its head states


@dataclass(frozen=True)
class Sample:
    """Hold the episodes that were opened, and why others could not be used."""

    episodes: tuple[Episode, ...]
    films: tuple[Film, ...]  # one for each camera of each episode
    problems: tuple[str, ...]

    @property
    def states(self) -> Float[np.ndarray, "rows 7"]:
        """Put the states of all together."""
        return np.concatenate([np.zeros((0, 7)), *(episode.states for episode in self.episodes)])

    @property
    def steps(self) -> Float[np.ndarray, "k"]:
        """Give the seconds between consecutive rows of all."""
        return np.concatenate([np.zeros(0), *(np.diff(episode.timestamps) for episode in self.episodes)])

    @property
    def wraps(self) -> int:
        """Count the rows after which an angle's number jumps by more than half a turn."""
        return sum(int((np.abs(np.diff(e.states[:, 3:6], axis=0)) > np.pi).any(1).sum()) for e in self.episodes)

    def clips(self, frames: int, fps: float | int) -> list[Int[np.ndarray, "clips frames"]]:
        """List the clips of each episode that share no row."""
        return [apart(clip_rows(episode.timestamps, frames, fps)) for episode in self.episodes]


def inventory(source: EpisodeSource) -> Inventory:
    """Count the episodes of a data set and look for every file that they name."""
    return _droid_inventory(source) if isinstance(source, DroidEpisodes) else _lerobot_inventory(source)


def _lerobot_inventory(source: LeRobotEpisodes) -> Inventory:
    wanted: set[Path] = set()
    for index in range(len(source)):
        wanted |= {source.data_path(index)} | {source.video_path(index, name) for name in source.cameras}
    missing = [str(path) for path in sorted(wanted) if not path.is_file()]
    rows = sum(int(source.row(index)["length"]) for index in range(len(source)))
    promised = int(source.info.get("total_episodes", len(source)))
    if promised != len(source):
        missing.append(f"meta/info.json promises {promised} episodes, the list holds {len(source)}")
    version = source.info["codebase_version"]
    return Inventory(
        f"LeRobot {version}", len(source), rows, dict.fromkeys(source.cameras, len(source)), len(wanted), tuple(missing)
    )


def _droid_inventory(source: DroidEpisodes) -> Inventory:
    cameras, missing, rows = Counter(), [], 0
    for folder in source.folders:
        try:
            metadata = droid.read_metadata(folder)
        except ValueError as error:
            missing.append(str(error))
            continue
        there = droid.cameras_of(metadata)
        cameras.update(there.keys())
        rows += int(metadata.get("trajectory_length") or 0)
        needed = [folder / "trajectory.h5"]
        needed += [folder / "recordings" / "MP4" / f"{there[name]}.mp4" for name in source.cameras if name in there]
        missing += [str(path) for path in needed if not path.is_file()]
        missing += [f"{folder}: no {name}_mp4_path in its metadata" for name in source.cameras if name not in there]
    return Inventory("raw DROID", len(source), rows, dict(cameras), len(source) * (1 + len(source.cameras)), tuple(missing))


def choose(count: int, sample: int, seed: int) -> list[int]:
    """Choose episodes to open, evenly at random."""
    return sorted(torch.randperm(count, generator=seeded(seed))[:sample].tolist())


def look(source: EpisodeSource, numbers: Sequence[int]) -> Sample:
    """Open some episodes and decode the first and the last picture of every camera."""
    episodes, films, problems = [], [], []
    for number in numbers:
        try:
            episode = source[number]
            films += [look_at_film(video, len(episode)) for video in episode.videos.values()]
            episodes.append(episode)
        except (ValueError, OSError) as error:
            problems.append(f"{source.name(number)}: {error}")
    return Sample(tuple(episodes), tuple(films), tuple(problems))


def look_at_film(video: StoredVideo, rows: int) -> Film:
    """Decode two pictures of a camera; raises VideoError or EpisodeError where that fails."""
    pictures = video[np.array([0, rows - 1])]
    with av.open(video.path) as file:
        codec = file.streams.video[0].codec_context.codec.canonical_name
    return Film(codec, pictures.shape[1:3], round(file_timeline(video.path).fps, 2))


def apart(clips: Int[np.ndarray, "starts frames"]) -> Int[np.ndarray, "clips frames"]:
    """Keep the first clip, and of the others each that begins behind the last one kept."""
    kept, end = [], -1
    for clip in clips:
        if clip[0] > end:
            kept, end = [*kept, clip], clip[-1]
    return np.array(kept, dtype=np.int64).reshape(len(kept), clips.shape[1])
