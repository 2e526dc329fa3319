"""The rotation of queries and keys, channel by channel, against the sheet's formula; and the textbook form's laws."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from minijepa.model.rope import rotary_tables, rotate

BASE = 10_000.0
GRIDS = [(2, 3, 5), (1, 1, 1), (4, 1, 7), (3, 6, 2)]
HEADS = [6, 8, 32, 64, 80, 88]


def rotated_channel(x: list[float], channel: int, position: tuple[int, int, int]) -> float:
    """Give one channel of the released rotation of one token's head, with nothing but arithmetic."""
    s = 2 * (len(x) // 3 // 2)
    axis, inside = divmod(channel, s)
    if axis > 2:
        return x[channel]  # what three axes leave over does not turn
    angle = position[axis] * BASE ** (-(inside % (s // 2)) / (s / 2))
    # s is even, so adjacent partners never straddle two axes
    partner = -x[channel + 1] if channel % 2 == 0 else x[channel - 1]
    return x[channel] * math.cos(angle) + partner * math.sin(angle)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("grid", GRIDS)
def test_the_released_rotation(grid, head):
    t, h, w = grid
    x = torch.randn(1, 1, t * h * w, head, generator=torch.Generator().manual_seed(0))
    found = rotate(x, rotary_tables(torch.arange(t * h * w)[None], grid, head))
    positions = [(i, j, k) for i in range(t) for j in range(h) for k in range(w)]
    tokens = x[0, 0].tolist()
    expected = [[rotated_channel(token, c, at) for c in range(head)] for token, at in zip(tokens, positions, strict=True)]
    assert_close(found[0, 0], torch.tensor(expected), atol=1e-5, rtol=0.0)


def turned(x: Tensor, ids: list[int], grid: tuple[int, int, int], form: str) -> Tensor:
    """Put the same vector x (head,) at each of these ids and rotate it there."""
    tables = rotary_tables(torch.tensor([ids]), grid, len(x), BASE, form)
    return rotate(x.expand(1, 1, len(ids), -1), tables)[0, 0].double()


GRID = (4, 5, 6)
FROM, TO = [0, 7, 66], [40, 47, 106]  # three pairs of tokens, all one step, one row and four columns apart


def test_the_pairs_of_this_file_are_equally_far_apart():
    places = [[(i // 30, i // 6 % 5, i % 6) for i in ids] for ids in (FROM, TO)]
    assert {tuple(b - a for a, b in zip(*pair)) for pair in zip(*places)} == {(1, 1, 4)}


@pytest.mark.parametrize("head", HEADS)
def test_the_textbook_form_turns_without_stretching_and_knows_only_differences(head):
    generator = torch.Generator().manual_seed(1)
    q, k = torch.randn(2, head, generator=generator)
    everywhere = turned(q, list(range(120)), GRID, "textbook")
    assert_close(everywhere.norm(dim=1), q.double().norm().expand(120), atol=1e-5, rtol=0.0)
    products = (turned(q, FROM, GRID, "textbook") * turned(k, TO, GRID, "textbook")).sum(1)
    assert_close(products, products[:1].expand(3), atol=1e-5, rtol=0.0)
    here = (turned(q, FROM[:1], GRID, "textbook") * turned(k, FROM[:1], GRID, "textbook")).sum()
    assert abs(products[0] - here) > 1e-2  # it does know that they are apart


@pytest.mark.parametrize("head", [32, 64, 80, 88])
def test_the_released_form_does_neither(head):
    generator = torch.Generator().manual_seed(1)
    q, k = torch.randn(2, head, generator=generator)
    lengths = turned(q, list(range(120)), GRID, "tiled").norm(dim=1)
    assert (lengths - q.norm()).abs().max() > 1e-2
    products = (turned(q, FROM, GRID, "tiled") * turned(k, TO, GRID, "tiled")).sum(1)
    assert (products - products[0]).abs().max() > 1e-2


@pytest.mark.parametrize("form", ["tiled", "textbook"])
def test_with_six_channels_a_head_both_forms_are_one(form):
    """One pair an axis has one frequency, and then there is nothing to tile wrongly."""
    x = torch.randn(1, 1, 120, 6, generator=torch.Generator().manual_seed(2))
    ids = torch.arange(120)[None]
    assert_close(rotate(x, rotary_tables(ids, GRID, 6, BASE, form)), rotate(x, rotary_tables(ids, GRID, 6, BASE)))
