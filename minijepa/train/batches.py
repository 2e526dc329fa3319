"""Where training clips come from: a batch is a function of (seed, step), so a run can stop and go on anywhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from minijepa.data.toy_physics import World, sample, split_generator


@runtime_checkable  # the CLI and the tests ask what a value is
class Batches(Protocol):
    """Anything that can make the training clips of a step."""

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return these rows of the global batch of ``batch`` clips that belongs to a step."""


@dataclass(frozen=True)
class ToyBatches:
    """Make fresh clips of a toy world for every step; none is seen twice."""

    world: World = field(default_factory=World.drift)

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return these rows; every process draws the whole batch, so that N processes see what one would."""
        return sample(self.world, batch, split_generator("train", seed, step)).video[rows]


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

    def __getitem__(self, index: int) -> UInt8[Tensor, "b 3 f H W"]:
        return self.source.clips(self.first + index, self.seed, self.batch, self.rows)


def loader(steps: Steps, workers: int) -> Iterable[UInt8[Tensor, "b 3 f H W"]]:
    """Return the batches in order, prepared ahead by ``workers`` processes or in this one."""
    return DataLoader(steps, batch_size=None, num_workers=workers)
