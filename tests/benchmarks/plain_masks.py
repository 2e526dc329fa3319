"""Multi-block masks as the released collator draws them, sample by sample and block by block: see `minijepa.train.masks`.

The released collator takes the block's size from a private generator that a counter seeds anew for every batch, and the blocks'
places from the global one. Here both are given.
"""

import torch
from torch import Tensor

Grid = tuple[int, int, int]  # t, h, w


class PlainCollator:
    """Draw the masks of one type; all blocks of a batch share one size."""

    def __init__(
        self,
        grid: Grid,
        blocks: int,
        spatial_scale: tuple[float, float],
        temporal_scale: tuple[float, float] = (1.0, 1.0),
        aspect: tuple[float, float] = (0.75, 1.5),
        max_temporal_keep: float = 1.0,
        max_keep: int | None = None,
    ) -> None:
        self.grid, self.blocks = grid, blocks
        self.spatial_scale, self.temporal_scale, self.aspect = spatial_scale, temporal_scale, aspect
        self.max_temporal_keep, self.max_keep = max_temporal_keep, max_keep

    def block_size(self, generator: torch.Generator) -> Grid:
        """Draw time, area and aspect, in this order."""
        t, h, w = self.grid
        draws = torch.rand(3, generator=generator).tolist()
        lows_and_highs = self.temporal_scale, self.spatial_scale, self.aspect
        long, area, aspect = (low + draw * (high - low) for draw, (low, high) in zip(draws, lows_and_highs))
        tokens = int(h * w * area)
        high, wide = int(round((tokens * aspect) ** 0.5)), int(round((tokens / aspect) ** 0.5))
        return max(1, int(t * long)), min(high, h), min(wide, w)

    def one_block(self, size: Grid, generator: torch.Generator) -> Tensor:
        """Give ones with a block of zeros at a random place."""
        mask = torch.ones(self.grid, dtype=torch.int32)
        start = [int(torch.randint(0, n - s + 1, (1,), generator=generator)) for n, s in zip(self.grid, size)]
        t, h, w = (slice(a, a + s) for a, s in zip(start, size))
        mask[t, h, w] = 0
        if self.max_temporal_keep < 1.0:
            mask[int(self.grid[0] * self.max_temporal_keep) :] = 0
        return mask

    def one_sample(self, size: Grid, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Multiply blocks until something is left to see."""
        while True:
            mask = torch.ones(self.grid, dtype=torch.int32)
            for _ in range(self.blocks):
                mask *= self.one_block(size, generator)
            mask = mask.flatten()
            context, targets = torch.nonzero(mask)[:, 0], torch.nonzero(mask == 0)[:, 0]
            if len(context):
                return context, targets

    def __call__(self, batch: int, counter: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw (b, k) context ids and (b, m) target ids, both cut to the poorest sample of the batch."""
        size = self.block_size(torch.Generator().manual_seed(counter))
        samples = [self.one_sample(size, generator) for _ in range(batch)]
        k, m = (min(len(sample[i]) for sample in samples) for i in range(2))
        if self.max_keep is not None:
            k = min(k, self.max_keep)
        return torch.stack([context[:k] for context, _ in samples]), torch.stack([targets[:m] for _, targets in samples])


def short_range(grid: Grid) -> PlainCollator:
    return PlainCollator(grid, 8, (0.15, 0.15))


def long_range(grid: Grid) -> PlainCollator:
    return PlainCollator(grid, 2, (0.7, 0.7))
