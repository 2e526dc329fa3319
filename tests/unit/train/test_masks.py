"""Every mask type gives what the encoder and the predictor may rely on, on small grids too."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minijepa.train.masks import LONG_RANGE, SHORT_RANGE, Future, MultiBlock, Scattered, Tube, first_ids, thin

GRIDS = [(2, 4, 4), (4, 4, 4), (8, 14, 10), (3, 5, 7), (8, 16, 16)]
TYPES = [SHORT_RANGE, MultiBlock(2, 0.5, min_context=0.2), Tube(), Tube(0.2), Future(), Future(0.25), Scattered()]
TYPES += [MultiBlock(3, 0.2, temporal_scale=0.5), MultiBlock(8, 0.1, complement="targets")]
TYPES += [MultiBlock(8, 0.1, complement="context")]
grids = st.tuples(st.integers(2, 6), st.integers(3, 9), st.integers(3, 9))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(ids: torch.Tensor) -> list[set[int]]:
    return [set(row) for row in ids.tolist()]


def size(grid) -> int:
    return grid[0] * grid[1] * grid[2]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("mask", TYPES, ids=repr)
def test_what_every_type_promises(mask, grid):
    context, targets = mask.draw(grid, 5, generator())
    for ids in (context, targets):
        assert ids.dtype == torch.int64 and ids.ndim == 2 and len(ids) == 5 and ids.shape[1] > 0
        assert (ids.diff(dim=1) > 0).all(), "ids are not ascending"
        assert ids.min() >= 0 and ids.max() < size(grid)
    assert all(not seen & hidden for seen, hidden in zip(rows(context), rows(targets), strict=True))


@pytest.mark.parametrize("mask", TYPES, ids=repr)
def test_generator_decides_alone(mask):
    one, same, other = (mask.draw((4, 6, 6), 4, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.context, same.context) and torch.equal(one.targets, same.targets)
    if not isinstance(mask, Future):
        assert one.context.shape != other.context.shape or not torch.equal(one.context, other.context)


@given(grid=grids, seed=st.integers(0, 999), batch=st.integers(1, 6), share=st.floats(0.1, 0.4))
def test_min_context_is_exact(grid, seed, batch, share):
    mask = MultiBlock(2, 0.4, min_context=share)
    context, targets = mask.draw(grid, batch, generator(seed))
    assert context.shape == (batch, max(1, round(share * size(grid)))) and targets.shape[1] > 0


@pytest.mark.parametrize("grid", [(2, 4, 4), (4, 4, 4)], ids=str)
def test_min_context_rescues_small_grids(grid):
    """Two large blocks leave a 4 x 4 grid almost no context; the rule keeps a quarter of the tokens."""
    released = [LONG_RANGE.draw(grid, 24, generator(seed)).context.shape[1] for seed in range(20)]
    mask = MultiBlock(2, 0.5, min_context=0.25)
    kept = [mask.draw(grid, 24, generator(seed)).context.shape[1] for seed in range(20)]
    assert min(released) <= grid[0] * 2 and set(kept) == {size(grid) // 4}


def test_impossible_min_context_is_refused():
    with pytest.raises(ValueError, match="fewer"):
        MultiBlock(8, 0.9, min_context=0.9).draw((2, 4, 4), 2, generator())


@given(grid=grids, seed=st.integers(0, 999))
def test_complement_covers_everything(grid, seed):
    for complement in ("targets", "context"):
        context, targets = MultiBlock(2, 0.2, complement=complement).draw(grid, 3, generator(seed))
        assert all(len(seen | hidden) == size(grid) for seen, hidden in zip(rows(context), rows(targets), strict=True))


def test_without_complement_the_cut_leaves_gaps():
    context, targets = SHORT_RANGE.draw((8, 16, 16), 24, generator())
    assert context.shape[1] + targets.shape[1] < 8 * 16 * 16


@given(grid=grids, seed=st.integers(0, 999), most=st.integers(1, 20))
def test_max_keep(grid, seed, most):
    free = MultiBlock(2, 0.2).draw(grid, 3, generator(seed)).context
    cut = MultiBlock(2, 0.2, max_keep=most).draw(grid, 3, generator(seed)).context
    assert torch.equal(cut, free[:, :most])


@given(grid=grids, seed=st.integers(0, 999), keep=st.sampled_from([0.25, 0.5, 0.75]))
def test_max_temporal_keep(grid, seed, keep):
    context, targets = MultiBlock(2, 0.2, max_temporal_keep=keep).draw(grid, 3, generator(seed))
    steps = max(1, int(grid[0] * keep))
    assert context.max() < steps * grid[1] * grid[2]
    assert set(targets.flatten().tolist()) - set(range(steps * grid[1] * grid[2])), "denied steps are not targets"


@given(grid=grids, seed=st.integers(0, 999))
def test_tube_is_the_same_in_every_step(grid, seed):
    context, targets = Tube(0.4).draw(grid, 3, generator(seed))
    cells = grid[1] * grid[2]
    assert context.shape[1] == grid[0] * round(0.4 * cells) and context.shape[1] + targets.shape[1] == size(grid)
    for row in context:
        patches = row.view(grid[0], -1) - cells * torch.arange(grid[0])[:, None]
        assert (patches == patches[0]).all()


def test_tube_shows_six_of_sixteen_cells_and_moves_about():
    context, _ = Tube().draw((4, 4, 4), 200, generator())
    assert context.shape == (200, 24)
    seen = torch.zeros(16).index_add_(0, context[:, :6].flatten(), torch.ones(1200))
    assert seen.min() > 40, "some cell is hardly ever seen"


def test_block_sizes_are_one_a_batch_and_blocks_lie_anywhere():
    _, targets = MultiBlock(1, 0.25).draw((2, 8, 8), 64, generator())
    sizes, corners = set(), set()
    for row in targets:
        t, rest = row // 64, row % 64
        high, wide = (rest // 8).unique(), (rest % 8).unique()
        assert len(row) == len(t.unique()) * len(high) * len(wide), "not a box"
        sizes.add((len(t.unique()), len(high), len(wide)))
        corners.add((int(high[0]), int(wide[0])))
    assert len(sizes) == 1 and len(corners) > 10


def test_future_hides_what_follows():
    context, targets = Future(0.5).draw((4, 2, 3), 2, generator())
    assert context.tolist() == [list(range(12))] * 2 and targets.tolist() == [list(range(12, 24))] * 2


def test_scattered_takes_every_token_equally_often():
    context, targets = Scattered(0.25).draw((2, 4, 4), 800, generator())
    assert context.shape == (800, 8) and targets.shape == (800, 24)
    often = torch.bincount(context.flatten(), minlength=32) / 800
    assert (often - 0.25).abs().max() < 0.07


@pytest.mark.parametrize("mask", [Tube(0.0), Tube(1.0), Future(1.5), Scattered(-1.0)], ids=repr)
def test_shares_outside_zero_and_one_are_refused(mask):
    with pytest.raises(ValueError, match="between 0 and 1"):
        mask.draw((4, 4, 4), 2, generator())


def test_clip_of_one_step_has_no_future():
    with pytest.raises(ValueError, match="at least 2"):
        Future().draw((1, 4, 4), 2, generator())


def test_first_ids_by_hand():
    chosen = torch.tensor([[True, False, True, True], [False, True, True, False]])
    assert first_ids(chosen).tolist() == [[0, 2], [1, 2]] and first_ids(chosen, 1).tolist() == [[0], [1]]


def test_thin_keeps_order_and_members():
    ids = torch.arange(0, 40, 2).expand(6, -1)
    thinned = thin(ids, 5, generator())
    assert thinned.shape == (6, 5) and (thinned.diff(dim=1) > 0).all() and (thinned % 2 == 0).all()
    assert len({tuple(row) for row in thinned.tolist()}) > 1
