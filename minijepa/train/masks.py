"""Hide most of a clip: which tokens the encoder sees, which the predictor must guess.

A mask type is a frozen dataclass with one method, ``draw``; add another by writing another. The multi-block
masks implement ``_MaskGenerator`` of facebookresearch/vjepa2 ``src/masks/multiseq_multiblock3d.py``, for a
whole batch at once.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional as F

Grid = tuple[int, int, int]  # t, h, w


class Masks(NamedTuple):
    """Hold raster token ids, ascending in every row."""

    context: Int[Tensor, "b k"]  # what the encoder sees
    targets: Int[Tensor, "b m"]  # what the predictor must guess


@runtime_checkable  # the CLI and the tests ask what a value is
class MaskType(Protocol):
    """Anything that draws masks for a batch of clips."""

    def draw(self, grid: Grid, batch: int, generator: torch.Generator) -> Masks:
        """Draw one pair of id sets for each of ``batch`` clips on a (t, h, w) grid."""


@dataclass(frozen=True)
class MultiBlock:
    """Hide the union of random blocks; all blocks of a batch share one size, as released."""

    blocks: int = 8  # blocks a clip
    spatial_scale: float = 0.15  # area of a block / area of the grid
    temporal_scale: float = 1.0  # length of a block / length of the clip; 1: a tube through all time
    aspect: tuple[float, float] = (0.75, 1.5)  # height / width of a block, drawn linearly
    max_temporal_keep: float = 1.0  # share of the steps, from the first, that the context may use; later ones are hidden
    max_keep: int | None = None  # most context tokens; the first in raster order stay
    complement: Literal["none", "targets", "context"] = "none"  # which set is recomputed as all that the other lacks
    min_context: float = 0.0  # share of the tokens that stays visible; 0: at least one token, as released

    def draw(self, grid: Grid, batch: int, generator: torch.Generator) -> Masks:
        """Draw masks; sets are cut to the smallest of the batch by dropping the last ids, so the latest steps go
        first. With ``complement`` the other set is completed after that cut.

        Differs: with ``min_context`` > 0 (small grids, where two large blocks leave next to nothing) the blocks of
        a clip that shows too little are drawn again, and context is then cut evenly to exactly that share.
        """
        size = self.block_size(grid, generator)
        hidden = self.cover(size, grid, batch, generator)
        least = max(1, round(self.min_context * hidden[0].numel()))
        for _ in range(1000):
            poor = ((~hidden).sum((1, 2, 3)) < least).nonzero()[:, 0]
            if not len(poor):
                break
            hidden[poor] = self.cover(size, grid, len(poor), generator)
        else:
            raise ValueError(f"{self} leaves fewer than {least} visible tokens on grid {grid}; use smaller or fewer blocks")
        context = first_ids(~hidden, self.max_keep)
        if self.min_context:
            context = thin(context, least, generator)
        targets = first_ids(hidden)
        if self.complement == "targets":
            targets = first_ids(~scatter(context, grid))
        if self.complement == "context":
            context = first_ids(~scatter(targets, grid))
        return Masks(context, targets)

    def block_size(self, grid: Grid, generator: torch.Generator) -> Grid:
        """Draw the size (t, h, w) of every block of this batch, in tokens."""
        t, h, w = grid
        aspect = self.aspect[0] + (self.aspect[1] - self.aspect[0]) * torch.rand((), generator=generator).item()
        area = int(h * w * self.spatial_scale)
        return (
            max(1, int(t * self.temporal_scale)),
            min(h, max(1, round((area * aspect) ** 0.5))),
            min(w, max(1, round((area / aspect) ** 0.5))),
        )

    def cover(self, size: Grid, grid: Grid, batch: int, generator: torch.Generator) -> Bool[Tensor, "b t h w"]:
        """Place the blocks of ``batch`` clips uniformly; return their union and all that ``max_temporal_keep`` denies."""
        inside = []
        steps = 1 if size[0] == grid[0] else grid[0]  # a tube is one plane, repeated
        for length, extent in zip((min(size[0], steps), *size[1:]), (steps, *grid[1:]), strict=True):
            start = torch.randint(extent - length + 1, (batch, self.blocks, 1), generator=generator)
            place = torch.arange(extent) - start
            inside.append(((place >= 0) & (place < length)).float())  # (b, blocks, extent)
        time, rows, columns = inside
        planes = rows if steps == 1 else (time[..., None] * rows[..., None, :]).flatten(2)  # (b, blocks, t h)
        covering = torch.bmm(planes.transpose(1, 2), columns).view(batch, steps, *grid[1:])  # blocks over a token
        hidden = (covering > 0).repeat(1, grid[0] // steps, 1, 1)
        hidden[:, max(1, int(grid[0] * self.max_temporal_keep)) :] = True
        return hidden


SHORT_RANGE = MultiBlock(blocks=8, spatial_scale=0.15)  # the released pair: many small blocks
LONG_RANGE = MultiBlock(blocks=2, spatial_scale=0.7)  # and two large ones


@dataclass(frozen=True)
class Tube:
    """Show one blob of patches through all time and hide the rest: for small grids, where blocks leave nothing."""

    visible: float = 0.375  # share of the patches of a step that is shown, rounded to whole patches

    def draw(self, grid: Grid, batch: int, generator: torch.Generator) -> Masks:
        """Draw masks; the blob is where a smoothed random field is highest, so it has one size and many shapes."""
        t, h, w = grid
        field = F.pad(torch.rand(batch, 1, h, w, generator=generator), (1, 1, 1, 1), mode="replicate")
        field = F.avg_pool2d(field, 3, 1).flatten(1)  # (b, h w)
        seen = torch.zeros(batch, h * w, dtype=torch.bool)
        seen.scatter_(1, field.topk(count(self.visible, h * w)).indices, True)
        seen = seen[:, None].expand(batch, t, h * w)
        return Masks(first_ids(seen), first_ids(~seen))


@dataclass(frozen=True)
class Future:
    """Show the first steps of the clip and hide all that follow: causal masking."""

    seen: float = 0.5  # share of the steps that is shown, rounded to whole steps

    def draw(self, grid: Grid, batch: int, generator: torch.Generator) -> Masks:
        """Return the same masks for every clip; nothing is random here."""
        t, h, w = grid
        cut = count(self.seen, t) * h * w
        ids = torch.arange(t * h * w).expand(batch, -1)
        return Masks(ids[:, :cut].contiguous(), ids[:, cut:].contiguous())


@dataclass(frozen=True)
class Scattered:
    """Show tokens that are picked one by one: easy to fill in from their neighbours, so little is learnt."""

    visible: float = 0.25  # share of all tokens that is shown

    def draw(self, grid: Grid, batch: int, generator: torch.Generator) -> Masks:
        """Draw masks with equally many tokens in each clip."""
        n = grid[0] * grid[1] * grid[2]
        order = torch.rand(batch, n, generator=generator).argsort(1)
        cut = count(self.visible, n)
        return Masks(order[:, :cut].sort(1).values, order[:, cut:].sort(1).values)


def count(share: float, total: int) -> int:
    """Return the whole number nearest to ``share`` of ``total`` that leaves something on both sides."""
    if not 0 < share < 1 or total < 2:
        raise ValueError(f"mask: expected a share between 0 and 1 of at least 2, got {share} of {total}")
    return min(total - 1, max(1, round(share * total)))


def first_ids(chosen: Bool[Tensor, "b *grid"], most: int | None = None) -> Int[Tensor, "b k"]:
    """Return the raster ids of the chosen tokens, each row cut to the shortest row by dropping its last ids."""
    rows = chosen.flatten(1).numpy()  # numpy lists what is true three times as fast as torch
    k = min(int(np.count_nonzero(rows, axis=1).min()), most or rows.shape[1])
    return torch.from_numpy(np.stack([row.nonzero()[0][:k] for row in rows]))


def thin(ids: Int[Tensor, "b k"], keep: int, generator: torch.Generator) -> Int[Tensor, "b keep"]:
    """Drop ids at random until ``keep`` are left in each row, still ascending."""
    picked = torch.rand(ids.shape, generator=generator).topk(keep, dim=1).indices.sort(1).values
    return ids.gather(1, picked)


def scatter(ids: Int[Tensor, "b k"], grid: Grid) -> Bool[Tensor, "b n"]:
    """Return a flat map that is True at the ids."""
    return torch.zeros(len(ids), grid[0] * grid[1] * grid[2], dtype=torch.bool).scatter_(1, ids, True)
