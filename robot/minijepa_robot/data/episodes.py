"""One episode of an arm, the same from every format: when, where the hand was, what the cameras saw.

    a folder --open_episodes (dataset.py)--> LeRobotEpisodes | DroidEpisodes --[i]--> Episode --take--> a clip of it

Actions are never read from a data set: they are derived from consecutive states, as the released training does. Rows
are chosen by their time stamps, because a video file's own rate need not be the rate at which the arm was seen.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from minijepa.plan.pose import difference, euler_angles, rotation

SLACK = 0.05  # s; how far a row may lie from the wanted moment. Rows at 15 Hz are at most 0.033 s away


class EpisodeError(ValueError):
    """Tell which episode or data set was refused, what was wrong with it and what to do; holds one string."""

    @classmethod
    def about(cls, source: str | os.PathLike, wrong: str, mend: str) -> "EpisodeError":
        """Build the error from its three parts: the source, what was wrong, and the way out."""
        return cls(f"{os.fspath(source)}: {wrong}. {mend[:1].upper()}{mend[1:]}.")


@runtime_checkable
class Pictures(Protocol):
    """Anything that gives uint8 pictures (k, H, W, 3) for a list of k rows: an array does, and a file on disk."""

    def __len__(self) -> int:
        """Count the rows."""

    def __getitem__(self, rows):
        """Return the pictures of some rows."""


@dataclass(frozen=True)
class Truth:
    """Hold what only a simulator knows of an episode."""

    names: tuple[str, ...]  # of the numbers in ``places``, e.g. "cube.x"
    places: Float[np.ndarray, "f k"]  # metres and radians, robot base frame
    scene: str = ""  # how the scene was built, as json


@dataclass(frozen=True)
class Episode:
    """Hold what happened to one arm from a start to an end; row k of everything is the same moment.

    A state is x, y, z in metres in the robot's base frame, three angles in radians (extrinsic xyz Euler) and how closed
    the gripper is, 0 open to 1 closed. Raises EpisodeError where lengths disagree, time stands still or a number is not
    finite.
    """

    timestamps: Float[np.ndarray, "f"]  # s, increasing
    states: Float[np.ndarray, "_ 7"]
    videos: Mapping[str, Pictures] = field(default_factory=dict)  # by camera
    success: bool | None = None  # None: nobody said
    task: str = ""
    extrinsics: Mapping[str, Float[np.ndarray, "_ 6"]] = field(default_factory=dict)  # camera in the base frame: x y z, Euler
    commands: Float[np.ndarray, "_ 7"] | None = None  # what the arm was told at each row, if that is known; the last is unused
    truth: Truth | None = None

    def __post_init__(self) -> None:
        parts = {"timestamps": self.timestamps, "states": self.states, "commands": self.commands}
        parts |= {f"video {name}": video for name, video in self.videos.items()}
        parts |= {f"extrinsics {name}": poses for name, poses in self.extrinsics.items()}
        parts |= {"truth": self.truth.places} if self.truth else {}
        lengths = {name: len(part) for name, part in parts.items() if part is not None}
        if len(set(lengths.values())) != 1 or not len(self):
            mend = "give one row of each a moment, at least one; was the file cut off?"
            raise EpisodeError.about("Episode", f"expected rows of one number, got {lengths}", mend)
        if not (np.diff(self.timestamps) > 0).all():
            raise EpisodeError.about("Episode", "time stamps do not increase", "sort the rows, or leave this episode out")
        if not np.isfinite(self.states).all():
            bad = int((~np.isfinite(self.states)).any(1).sum())
            raise EpisodeError.about("Episode", f"{bad} of {len(self)} states are not finite", "leave this episode out")

    def __len__(self) -> int:
        return len(self.timestamps)

    def take(self, rows: Int[np.ndarray, "k"], cameras: Collection[str] | None = None) -> "Episode":
        """Pick some rows of everything; pictures on disk are read, of some cameras or (None) of all."""
        truth = self.truth and replace(self.truth, places=self.truth.places[rows])
        return Episode(
            timestamps=self.timestamps[rows],
            states=self.states[rows],
            videos={name: self.videos[name][rows] for name in (self.videos if cameras is None else cameras)},
            success=self.success,
            task=self.task,
            extrinsics={name: poses[rows] for name, poses in self.extrinsics.items()},
            commands=None if self.commands is None else self.commands[rows],
            truth=truth,
        )


@runtime_checkable
class EpisodeSource(Protocol):
    """Anything that holds episodes: a data set on disk in one of the two formats."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Name the cameras."""

    def __len__(self) -> int:
        """Count the episodes."""

    def __getitem__(self, index: int) -> Episode:
        """Open one; its pictures are read when they are asked for. Raises ValueError where that fails."""

    def name(self, index: int) -> str:
        """Tell which episode that is, for a message."""


def actions(states: Float[np.ndarray, "f 7"]) -> Float[np.ndarray, "f-1 7"]:
    """Derive the action from each state to the next: R(action) = R(next) R(state)^T, the rest subtracts.

    Implements ``poses_to_diffs`` of app/vjepa_droid/droid.py; angles that pass pi do no harm, since matrices are compared.
    """
    pose = torch.from_numpy(np.ascontiguousarray(states))
    return difference(pose[:-1], pose[1:]).numpy()


def in_camera(states: Float[np.ndarray, "f 7"], extrinsics: Float[np.ndarray, "f 6"]) -> Float[np.ndarray, "f 7"]:
    """Express poses in the camera's frame: inv(E) P, with E the camera in the base frame; the gripper stays.

    Implements ``transform_frame`` of app/vjepa_droid/droid.py (off in the released training).
    """
    return before_camera(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (states, extrinsics))).numpy()


def before_camera(states: Float[Tensor, "*b 7"], extrinsics: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 7"]:
    """Do what ``in_camera`` does, for tensors of any batch."""
    pose, camera = states.double(), extrinsics.double()
    back = rotation(camera[..., 3:]).mT
    place = (back @ (pose[..., :3] - camera[..., :3])[..., None])[..., 0]
    turned = euler_angles(back @ rotation(pose[..., 3:6]))
    return torch.cat((place, turned, pose[..., 6:]), dim=-1).to(states.dtype)


def clip_rows(
    timestamps: Float[np.ndarray, "n"], frames: int, fps: float | int, slack: float = SLACK
) -> Int[np.ndarray, "starts frames"]:
    """List every clip that an episode holds: the rows nearest to t, t + 1/fps, … for each row's time t.

    A clip counts if it ends within the episode, each row is within ``slack`` of its moment and none is taken twice, so a
    gap in the recording makes no clip. Differs: the released training strides by ceil(playback rate / 4) frames; raw DROID
    files play at another rate than they were taken.
    """
    if frames < 1 or fps <= 0:
        raise ValueError(f"clip_rows: expected at least 1 frame and a positive rate, got {frames} and {fps} Hz")
    starts = np.flatnonzero(timestamps + (frames - 1) / fps <= timestamps[-1] + slack)
    wanted = timestamps[starts, None] + np.arange(frames) / fps
    rows = nearest(timestamps, wanted)
    good = (np.abs(timestamps[rows] - wanted) <= slack).all(1) & (np.diff(rows, axis=1) > 0).all(1)
    return rows[good]


def nearest(times: Float[np.ndarray, "n"], wanted: Float[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
    """Return for each wanted time the number of the nearest of the increasing times, the earlier one of a tie."""
    right = np.searchsorted(times, wanted).clip(0, len(times) - 1)
    left = (right - 1).clip(0)
    return np.where(np.abs(times[left] - wanted) <= np.abs(times[right] - wanted) + 1e-9, left, right)


def whole_at(timestamps: Float[np.ndarray, "n"], fps: float | int) -> Int[np.ndarray, "k"]:
    """Return the rows of the whole episode at ``fps`` Hz, from its first row on.

    Raises EpisodeError where the rows are too far apart for that rate or have a gap.
    """
    count = int((timestamps[-1] - timestamps[0]) * fps + SLACK * fps) + 1
    rows = clip_rows(timestamps, count, fps)
    if not len(rows) or rows[0, 0] != 0:
        rate = 1 / np.median(np.diff(timestamps)) if len(timestamps) > 1 else 0
        wrong = f"its {len(timestamps)} rows come at about {rate:.2f} Hz, which gives no even {fps:g} Hz"
        raise EpisodeError.about("episode", wrong, "ask for a lower rate, or leave this episode out")
    return rows[0]
