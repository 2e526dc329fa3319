"""One process or many: the few facts that a training loop needs about torchrun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Say which of how many processes this is."""

    rank: int = 0
    world: int = 1

    @classmethod
    @contextmanager
    def join(cls, device: str) -> Iterator["Processes"]:
        """Join the group that torchrun started, or be alone; who joined first leaves the group at the end."""
        if dist.is_initialized():  # a group that was left cannot be joined again
            yield cls(dist.get_rank(), dist.get_world_size())
            return
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            yield cls()
            return
        if device.startswith("cuda"):
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        try:
            yield cls(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()

    def share(self, batch: int) -> slice:
        """Return the rows of a global batch that belong to this process; raise ValueError if they are uneven."""
        if batch % self.world:
            raise ValueError(f"batch: expected a multiple of the {self.world} processes, got {batch}")
        each = batch // self.world
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, value: Tensor) -> float:
        """Return the mean of a scalar over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value = value / self.world
        return value.item()

    def union(self, names: list[str]) -> set[str]:
        """Return the names that any of the processes has."""
        gathered: list[list[str]] = [names] * self.world
        if self.world > 1:
            dist.all_gather_object(gathered, names)
        return set().union(*gathered)
