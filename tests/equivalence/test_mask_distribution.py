"""Our masks have the released collator's distribution: 1,000 draws of each, seeds fixed, so a rerun gives the same verdict.

The plain collator under tests/benchmarks draws sample by sample, as released. Draws of a batch share one block size, so the
batch is the unit of every statistic here: n is 1,000, not 24,000. A statistic that is judged in standard errors may be off by
4.5 of them where one number is looked at, and 5.5 where 2,048 positions are (by chance: 1 in 100,000, 1 in 10,000).
"""

from collections import Counter
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from minijepa.train.masks import LONG_RANGE, SHORT_RANGE, MultiBlock
from tests.benchmarks.plain_masks import PlainCollator, long_range, short_range

DRAWS = 1000
GRID, BATCH = (8, 16, 16), 24  # 16 frames of 256 px
OURS = {"short": SHORT_RANGE, "long": LONG_RANGE}
PLAIN = {"short": short_range, "long": long_range}


class Drawn(NamedTuple):
    """Hold, for each set of ids, its length in every batch (draws,) and how often a position is in it (draws, tokens)."""

    lengths: dict[str, Tensor]
    visits: dict[str, Tensor]


def tally(batches, tokens: int) -> Drawn:
    lengths, visits = {"context": [], "targets": []}, {"context": [], "targets": []}
    for sets in batches:
        for name, ids in zip(lengths, sets):
            lengths[name].append(ids.shape[1])
            visits[name].append(torch.bincount(ids.flatten(), minlength=tokens) / len(ids))
    return Drawn(
        {name: torch.tensor(values).double() for name, values in lengths.items()},
        {name: torch.stack(values).double() for name, values in visits.items()},
    )


def draw_ours(masks: MultiBlock, grid, batch: int, draws: int = DRAWS, seed: int = 0) -> Drawn:
    generator = torch.Generator().manual_seed(seed)
    return tally((masks.draw(grid, batch, generator) for _ in range(draws)), grid[0] * grid[1] * grid[2])


def draw_plain(collator: PlainCollator, batch: int, draws: int = DRAWS, seed: int = 10_000) -> Drawn:
    generator = torch.Generator().manual_seed(seed)
    grid = collator.grid
    return tally((collator(batch, seed + i, generator) for i in range(draws)), grid[0] * grid[1] * grid[2])


def errors_apart(a: Tensor, b: Tensor) -> Tensor:
    """Give the difference of two means over draws in standard errors; 0 where neither ever varies."""
    spread = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
    apart = a.mean(0) - b.mean(0)
    return torch.where(spread > 0, apart / spread.clamp_min(1e-12), torch.where(apart == 0, 0.0, torch.inf))


def largest_gap(a: Tensor, b: Tensor) -> float:
    """Give the Kolmogorov-Smirnov distance of two samples."""
    points = torch.cat((a, b)).unique()
    below = [torch.searchsorted(x.sort().values, points, right=True) / len(x) for x in (a, b)]
    return (below[0] - below[1]).abs().max().item()


@pytest.fixture(scope="module", params=["short", "long"])
def pair(request) -> tuple[Drawn, Drawn]:
    return draw_ours(OURS[request.param], GRID, BATCH), draw_plain(PLAIN[request.param](GRID), BATCH)


@pytest.mark.parametrize("name", ["context", "targets"])
def test_lengths_have_one_distribution(pair, name):
    ours, plain = (side.lengths[name] for side in pair)
    assert errors_apart(ours, plain).abs() < 4.5
    assert largest_gap(ours, plain) < 1.95 * (2 / DRAWS) ** 0.5  # 0.1% critical value
    assert abs(ours.std() / plain.std() - 1) < 0.15


@pytest.mark.parametrize("name", ["context", "targets"])
def test_every_position_is_visited_as_often(pair, name):
    apart = errors_apart(pair[0].visits[name], pair[1].visits[name])
    assert apart.abs().max() < 5.5
    # a small difference everywhere would show here; positions are correlated, so the mean square is only near 1
    assert apart.square().mean() < 2.5


def exact_sizes(masks: MultiBlock, grid, points: int = 200_000) -> dict[tuple[int, int, int], float]:
    """Give the probability of every block size, from the rule: the aspect is uniform and all else follows."""
    t, h, w = grid
    low, high = masks.aspect
    aspects = low + (high - low) * (torch.arange(points, dtype=torch.float64) + 0.5) / points
    area = int(h * w * masks.spatial_scale)
    tall, wide = (area * aspects).sqrt().round().clamp(max=h), (area / aspects).sqrt().round().clamp(max=w)
    return {(t, int(a), int(b)): n / points for (a, b), n in Counter(zip(tall.tolist(), wide.tolist(), strict=True)).items()}


@pytest.mark.parametrize("kind", ["short", "long"])
@pytest.mark.parametrize("grid", [GRID, (32, 24, 24), (8, 10, 16)])
def test_block_sizes_have_the_rules_probabilities(kind, grid):
    expected = exact_sizes(OURS[kind], grid)
    generator = torch.Generator().manual_seed(1)
    ours = Counter(OURS[kind].block_size(grid, generator) for _ in range(DRAWS))
    collator = PLAIN[kind](grid)
    plain = Counter(collator.block_size(torch.Generator().manual_seed(i)) for i in range(DRAWS))
    for found in (ours, plain):
        assert set(found) <= set(expected)
        for size, p in expected.items():
            assert abs(found[size] - DRAWS * p) < 4.5 * (DRAWS * p * (1 - p)) ** 0.5 + 1, (size, p, found[size])


# reference/vjepa2.md, section 2: mean fractions after the cut, (context, targets)
PUBLISHED = [
    ("short", GRID, 24, 0.248, 0.465),
    ("long", GRID, 24, 0.064, 0.704),
    ("short", (32, 16, 16), 12, 0.264, 0.494),
    ("long", (32, 16, 16), 12, 0.083, 0.714),
    ("short", (32, 24, 24), 6, 0.292, 0.531),
    ("long", (32, 24, 24), 6, 0.100, 0.731),
]


@pytest.mark.parametrize("kind, grid, batch, context, targets", PUBLISHED)
def test_the_fractions_measured_on_the_released_collator(kind, grid, batch, context, targets):
    """They were measured over an unknown number of draws; 100 is assumed for their standard error, 300 are ours."""
    drawn = draw_ours(OURS[kind], grid, batch, draws=300, seed=2)
    for name, published in (("context", context), ("targets", targets)):
        fractions = drawn.lengths[name] / (grid[0] * grid[1] * grid[2])
        error = fractions.std() * (1 / 300 + 1 / 100) ** 0.5 + 0.0005  # the published digits are rounded
        assert abs(fractions.mean() - published) < 3 * error, (name, fractions.mean(), error)


def test_short_blocks_a_limited_context_and_a_largest_number_of_kept_tokens():
    """No released model uses these three, but the released collator has them."""
    masks = MultiBlock(4, 0.3, temporal_scale=0.5, max_temporal_keep=0.75, max_keep=60)
    collator = PlainCollator(GRID, 4, (0.3, 0.3), (0.5, 0.5), max_temporal_keep=0.75, max_keep=60)
    ours, plain = draw_ours(masks, GRID, 4, draws=400), draw_plain(collator, 4, draws=400)
    for name in ("context", "targets"):
        assert errors_apart(ours.lengths[name], plain.lengths[name]).abs() < 4.5
        assert errors_apart(ours.visits[name], plain.visits[name]).abs().max() < 5.5
