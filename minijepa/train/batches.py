"""Where training clips come from: a batch is a function of (seed, step), so a run can stop and go on anywhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import Rule
from minijepa.data.video_files import Augment, VideoFiles, seeded

Clips = UInt8[Tensor, "b 3 f H W"] | Float[Tensor, "b 3 f H W"]  # raw pixels, or normalised already


@runtime_checkable  # the CLI and the tests ask what a value is
class Batches(Protocol):
    """Anything that can make the training clips of a step."""

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> Clips:
        """Return these rows of the global batch of ``batch`` clips that belongs to a step."""

    def skipped(self) -> list[str]:
        """Name the sources of clips that turned out to be unusable so far, in this process and its workers."""


@dataclass(frozen=True)
class ToyBatches:
    """Make fresh clips of a toy world for every step; none is seen twice."""

    world: World = field(default_factory=World.drift)

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return these rows; every process draws the whole batch, so that N processes see what one would."""
        return sample(self.world, batch, split_generator("train", seed, step)).video[rows]

    def skipped(self) -> list[str]:
        """Return nothing: a clip that is made on the spot is never bad."""
        return []


@dataclass(frozen=True)
class FileBatches:
    """Cut training clips out of video files, drawn with replacement; bad files are stepped over and counted.

    Which file, which moment and which box follow from (seed, step, place in the batch), so each process decodes
    its own rows alone. The defaults are the released ones.
    """

    paths: Path | tuple[Path, ...]  # a folder, a text file with a line "path" or "path label" a video, or the videos
    frames: int = 16  # in a clip
    fps: float | int = 4  # Hz
    crop: int = 256  # pixels, side of a clip
    augment: Augment = Augment()  # how the box is cut
    rule: Rule = "timestamps"  # "released": count frames as the official loader does
    short: Literal["skip", "repeat"] = "skip"  # a video shorter than a clip is skipped, or its last frame held

    @cached_property
    def files(self) -> VideoFiles:
        """Look for the videos once; raise VideoError if there is none."""
        return VideoFiles(self.paths, self.frames, self.fps, self.crop, augment=self.augment, rule=self.rule, short=self.short)

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> Float[Tensor, "b 3 f crop crop"]:
        """Return these rows, normalised; raise VideoError if 20 files in a row can't be used."""
        chosen = torch.randint(len(self.files), (batch,), generator=seeded(seed, step)).tolist()
        return torch.stack([self.files[seed, step, place, chosen[place]].video for place in range(batch)[rows]])

    def skipped(self) -> list[str]:
        """Name the files that could not be used so far; ``files.clip`` on one of them tells why."""
        return self.files.bad_files


@dataclass(frozen=True)
class Steps(Dataset):
    """Number the batches of a run from its first missing step on."""

    source: Batches
    first: int  # 0-based step
    last: int  # one past the final step
    seed: int
    batch: int  # clips, over all processes
    rows: slice  # of this process

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Clips:
        return self.source.clips(self.first + index, self.seed, self.batch, self.rows)


def loader(steps: Steps, workers: int) -> Iterable[Clips]:
    """Return the batches in order, prepared ahead by ``workers`` processes or in this one."""
    steps.source.skipped()  # looks for the files before there are workers, so that these share the count with us
    # a generator of its own: the default takes a number from the global one
    generator = torch.Generator().manual_seed(steps.seed)
    return DataLoader(steps, batch_size=None, num_workers=workers, generator=generator)
