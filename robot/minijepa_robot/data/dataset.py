"""From a folder of episodes to what a model trains on: clips drawn at random, or everything in memory.

Both formats go through here. A bad episode is stepped over and counted with its reason, never retried for ever.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from minijepa.data.video_files import seeded
from minijepa_robot.data.droid import EXPECTED, DroidEpisodes
from minijepa_robot.data.episodes import Episode, EpisodeError, EpisodeSource, actions, clip_rows, in_camera
from minijepa_robot.data.lerobot import LeRobotEpisodes
from minijepa_robot.data.views import Cut, view

PATIENCE = 20  # bad episodes in a row before a draw gives up
NO_PLACE = float("nan")  # of a camera whose extrinsics nobody wrote down


class Clip(NamedTuple):
    """Hold one clip; a DataLoader stacks each field."""

    video: Tensor  # (3, f, size, size) uint8
    states: Tensor  # (f, 7) float32
    actions: Tensor  # (f - 1, 7) float32, between consecutive states
    extrinsics: Tensor  # (f, 6) float32, NaN where unknown
    index: int  # number of the episode


@dataclass(frozen=True)
class Slicing:
    """Say how clips are cut out of episodes; the defaults are those of the released training."""

    frames: int = 8  # in a clip
    fps: float | int = 4  # Hz
    size: int = 256  # pixels, side of a frame
    cut: Cut = "square"  # or "released": 1.35 times wider than high, squashed
    camera_frame: bool = False  # states in the frame of the camera instead of the base; off in the released training


def open_episodes(path: str | os.PathLike, cameras: Sequence[str] | None = None) -> EpisodeSource:
    """Open a data set of episodes and recognise its format by what lies there.

    Args:
        path: the folder of a LeRobot data set, an episode folder of raw DROID, a folder above some, or a list of them.
        cameras: wanted ones; None means all of a LeRobot data set, and the left one of raw DROID.

    Raises:
        EpisodeError: neither format; the message says what was expected.
    """
    place = Path(path)
    if (place / "meta" / "info.json").is_file():
        return LeRobotEpisodes(place, cameras)
    if place.is_dir() and (place / "meta").is_dir():
        raise EpisodeError.about(place, "has a folder meta without info.json", "fetch meta/info.json of the LeRobot data set")
    try:
        return DroidEpisodes(place, cameras)
    except EpisodeError as error:
        wrong = f"is no data set of episodes ({str(error).rstrip('.')})"
        mend = f"a LeRobot folder has meta/info.json; raw DROID has {EXPECTED}, or is a text file with such folders"
        raise EpisodeError.about(place, wrong, mend) from error


@dataclass(frozen=True)
class EpisodeClips:
    """Draw clips from a data set; every draw is a pure function of (seed, step, place in the batch).

    Serves ``minijepa.train.pretrain`` as a source of video (``clips``), and gives actions and states beside it (``draw``).
    """

    path: str | os.PathLike
    cameras: tuple[str, ...] = ()  # one is drawn for each clip; none: those that ``open_episodes`` takes
    slicing: Slicing = Slicing()
    reasons: dict[int, str] = field(default_factory=dict)  # why an episode was stepped over, by number; of this process

    @cached_property
    def source(self) -> EpisodeSource:
        """Open the data set once."""
        return open_episodes(self.path, self.cameras or None)

    @cached_property
    def bad(self) -> Tensor:
        """Hold a byte for each episode, 1 once it was bad, in memory that worker processes share with us."""
        return torch.zeros(len(self.source), dtype=torch.uint8).share_memory_()

    def clip(self, index: int, generator: Generator, camera: str | None = None) -> Clip:
        """Cut one clip at a random moment out of an episode; raises ValueError where that cannot be done."""
        episode, slicing = self.source[index], self.slicing
        rows = clip_rows(episode.timestamps, slicing.frames, slicing.fps)
        if not len(rows):
            wrong = f"its {len(episode)} rows hold no {slicing.frames} frames at {slicing.fps:g} Hz"
            raise EpisodeError.about(self.source.name(index), wrong, "ask for shorter clips, or leave it out")
        chosen = rows[int(torch.randint(len(rows), (), generator=generator))]
        cameras = self.source.cameras
        camera = camera or cameras[int(torch.randint(len(cameras), (), generator=generator))]
        return _clip(episode, chosen, camera, slicing, index)

    def draw(self, step: int, seed: int, place: int) -> Clip:
        """Draw the clip at a place of a step's batch; raises EpisodeError where PATIENCE episodes in a row are bad."""
        for attempt in range(PATIENCE):
            # a fresh generator each time: whether a bad episode is known or met must not move the draws
            generator = seeded(seed, step, place, attempt)
            index = int(torch.randint(len(self.source), (), generator=generator))
            try:
                if not self.bad[index]:
                    return self.clip(index, generator)
            except (ValueError, OSError) as error:
                self.bad[index], self.reasons[index] = 1, str(error)
        why = self.reasons.get(index, "another process met it").rstrip(".")
        wrong = f"{PATIENCE} episodes in a row could not be used, {int(self.bad.sum())} so far; {why}"
        raise EpisodeError.about(self.path, wrong, "look at it with python -m minijepa_robot.data.dry_run")

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return the pictures of these rows of a step's batch, as pretraining asks for them."""
        return torch.stack([self.draw(step, seed, place).video for place in range(batch)[rows]])

    def skipped(self) -> list[str]:
        """Name the episodes that could not be used so far, in any worker; ``reasons`` tells why, in the one that met it."""
        return [self.source.name(index) for index in self.bad.nonzero().flatten().tolist()]


def _clip(episode: Episode, rows, camera: str, slicing: Slicing, index: int) -> Clip:
    part = episode.take(rows, (camera,))
    place = part.extrinsics.get(camera)
    states = part.states
    if slicing.camera_frame:
        if place is None:
            mend = "use the base frame, or another camera"
            raise EpisodeError.about(f"episode {index}", f"nobody wrote down where camera {camera} stands", mend)
        states = in_camera(states, place)
    video = view(part.videos[camera], slicing.size, slicing.cut).transpose(0, 1)
    known = torch.full((len(rows), 6), NO_PLACE) if place is None else torch.from_numpy(place).float()
    return Clip(video, _float(states), _float(actions(states)), known, index)


def _float(values) -> Float[Tensor, "..."]:
    return torch.from_numpy(values).float()
