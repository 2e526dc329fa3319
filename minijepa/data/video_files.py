"""Train on a folder or a list of video files: every draw is a pure function of (seed, step, place, file).

An image among them is a clip that stands still. Nothing random is kept between two draws, so a run that was killed
resumes with the very clips that it would have seen, with any number of DataLoader workers. Official file:
src/datasets/video_dataset.py.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.utils.data import Dataset, Sampler

from minijepa.data.image import IMAGE_SUFFIXES, is_image, read_image
from minijepa.data.preprocess import Range, evaluation_clip, training_clip
from minijepa.data.video import Rule, read_clip
from minijepa.data.video_error import VideoError

SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", *IMAGE_SUFFIXES)
PATIENCE = 20  # bad files in a row before a draw gives up; the official loader tries for ever
NO_LABEL = -1


@dataclass(frozen=True)
class Augment:
    """Say how a training clip is cut out; the defaults are those of the released pretraining."""

    scale: Range = (0.3, 1.0)  # area of the box / area of the frame
    aspect: Range = (0.75, 1.35)  # width / height of the box, log-uniform
    flip: float | int = 0.5  # probability of a left-right mirror; 0 where left and right are labels


class Draw(NamedTuple):
    """Hold one draw of the data set; a DataLoader stacks each field."""

    video: Tensor  # (3, f, crop, crop) float32, normalised
    label: int  # from the list; -1 where there is none
    index: int  # number of the file that was read
    skipped: int  # bad files that were met on the way to it


class VideoFiles(Dataset):
    """Draw training clips from video files, stepping over the bad ones and counting them.

    Differs: the official data set draws from the global state of NumPy in each worker, replaces a bad file by
    another without a count, and tries for ever where all are bad.

    Args:
        paths: a folder (searched below for videos and images, in order of name), a text file with a line "path label"
            or "path" for each (paths relative to it), or a sequence of paths.
        frames: frames in a clip.
        fps: wanted rate in Hz; the released pretraining uses 4.
        crop: side of the square clip in pixels.
        seed: of all draws.
        augment: how the box is cut.
        rule: choose frames by time stamps, or as the released loader counts.
        short: what happens to a video shorter than a clip: "skip" it as a bad file, or "repeat" its last frame, as
            the released loader does.

    Raises:
        VideoError: no such folder or list, or no video in it.
    """

    def __init__(
        self,
        paths: str | os.PathLike | Sequence[str | os.PathLike],
        frames: int,
        fps: float | int,
        crop: int,
        seed: int = 0,
        augment: Augment = Augment(),
        rule: Rule = "timestamps",
        short: Literal["skip", "repeat"] = "skip",
    ) -> None:
        self.files, self.labels = list_videos(paths)
        self.frames, self.fps, self.crop, self.seed = frames, fps, crop, seed
        self.augment, self.rule, self.short = augment, rule, short
        # one byte a file in memory that the workers share with us, so that the main process can count
        self._bad = torch.zeros(len(self.files), dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return len(self.files)

    @property
    def bad_files(self) -> list[str]:
        """Name the files that could not be used so far, in any worker; `clip` on one of them tells why."""
        return [self.files[i] for i in self._bad.nonzero().flatten().tolist()]

    def clip(self, index: int, generator: Generator | None = None) -> Float[Tensor, "c f S S"]:
        """Read one clip of one file.

        Args:
            index: number of the file.
            generator: source of the start, the box and the mirror; None takes the middle of the video and the
                centre of the frame, as evaluations do.

        Returns:
            (3, frames, crop, crop), float32, normalised.

        Raises:
            VideoError: the file cannot be used.
        """
        still, repeat_last = is_image(self.files[index]), self.short == "repeat"
        if still:
            video = read_image(self.files[index])
        else:
            video = read_clip(self.files[index], self.frames, self.fps, generator, self.rule, repeat_last)
        if generator is None:
            clip = evaluation_clip(video, self.crop)
        else:
            augment = self.augment
            clip = training_clip(video, self.crop, generator, augment.scale, augment.aspect, augment.flip)
        return clip.repeat(1, self.frames, 1, 1) if still else clip  # an image is cut once, then repeated

    def __getitem__(self, key: int | tuple[int, ...]) -> Draw:
        """Draw a clip: `key` is (step, index) or (step, place in the batch, index); an index alone is step 0.

        Raises:
            VideoError: PATIENCE bad files were met in a row.
        """
        *moment, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(f"expected a file from 0 to {len(self) - 1}, got {index}")
        for skipped in range(PATIENCE):
            # a fresh generator each time: whether a bad file is known or met must not move the draws
            generator = seeded(self.seed, *moment, index, *([skipped] if skipped else []))
            file = int(torch.randint(len(self), (), generator=generator)) if skipped else index
            try:
                if not self._bad[file]:
                    return Draw(self.clip(file, generator), self.labels[file], file, skipped)
            except VideoError:
                self._bad[file] = 1
        raise self._hopeless(file)

    def _hopeless(self, file: int) -> VideoError:
        """Build the error of a draw that met bad files only, with the reason of the last one."""
        try:
            self.clip(file)
            reason = "it can be read now"
        except VideoError as error:
            reason = str(error)
        wrong = f"{PATIENCE} videos in a row could not be used ({int(self._bad.sum())} of {len(self)} so far); {reason}"
        return VideoError.about("VideoFiles", wrong.rstrip("."), "check the paths, or ask for shorter clips")


class StepBatches(Sampler[list[tuple[int, int, int]]]):
    """Give the keys (step, place, file) of each step's batch, files drawn with replacement.

    A step's batch is a pure function of (seed, step): to resume, begin at another step. Each of `world` processes
    gets its share of the same global batch.

    Args:
        files: number of files, `len(data)`.
        batch: clips in the global batch; a multiple of `world`.
        steps: the steps to give, e.g. range(120, 1000) after a kill at 120.
        seed: of the batches.
        rank, world: number of this process and of all.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """

    def __init__(self, files: int, batch: int, steps: range, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        if files < 1 or batch < 1 or batch % world:
            raise ValueError(
                f"expected at least one file and a batch that {world} processes can share, got {files} files and a "
                f"batch of {batch}; choose a multiple of {world}"
            )
        self.files, self.batch, self.steps, self.seed = files, batch, steps, seed
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        for step in self.steps:
            chosen = torch.randint(self.files, (self.batch,), generator=seeded(self.seed, step)).tolist()
            share = self.batch // self.world
            places = range(self.rank * share, (self.rank + 1) * share)
            yield [(step, place, chosen[place]) for place in places]


def seeded(*numbers: int) -> Generator:
    """Return a CPU generator whose stream depends on all the numbers (each at least 0) and their order."""
    words = np.random.SeedSequence(numbers).generate_state(2, np.uint32)
    return Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def list_videos(paths: str | os.PathLike | Sequence[str | os.PathLike]) -> tuple[list[str], list[int]]:
    """Name the videos of a folder, a list file or a sequence, with their labels (-1 where there is none).

    A list has a line for each video, "path label" or "path::label" or "path", as the released CSV files have.

    Raises:
        VideoError: no such folder or list, or no video in it.
    """
    if not isinstance(paths, (str, os.PathLike)):
        pairs = [(os.fspath(path), NO_LABEL) for path in paths]
    elif Path(paths).is_dir():
        found = sorted(path for path in Path(paths).rglob("*") if path.suffix.lower() in SUFFIXES)
        pairs = [(str(path), NO_LABEL) for path in found]
    else:
        pairs = _list_file(Path(paths))
    if not pairs:
        wrong = f"holds no video ({' '.join(SUFFIXES)})"
        raise VideoError.about("VideoFiles" if isinstance(paths, Sequence) else paths, wrong, "check the place")
    return [path for path, _ in pairs], [label for _, label in pairs]


def _list_file(place: Path) -> list[tuple[str, int]]:
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        mend = "give a folder, a sequence of paths, or a text file with a line 'path label' for each video"
        raise VideoError.about(place, f"is neither a folder nor a list of videos ({error})", mend) from error
    return [_entry(line.strip(), place.parent) for line in lines if line.strip()]


def _entry(line: str, folder: Path) -> tuple[str, int]:
    """Split one line; a path may hold spaces, so only a whole number at the end is a label."""
    path, _, label = line.rpartition("::" if "::" in line else " ")
    if path and label.strip().lstrip("-").isdecimal():
        return str(folder / path.strip()), int(label)
    return str(folder / line), NO_LABEL
