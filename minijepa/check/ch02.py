"""Graders of chapter 02: positions of tokens, frequencies of channels, and the turn itself."""

from collections.abc import Callable

import torch

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.model import rope

GRID = (3, 4, 5)  # three different sides, so that exchanged axes show


@grader
def positions(fn: Callable) -> str:
    """Check a function (ids (b, n), grid) -> (3, b, n) that finds time, row and column of raster ids."""
    ids = torch.tensor([[0, 1, 5, 19, 20, 59], [7, 33, 41, 12, 58, 26]])
    answer = require_tensor(fn(ids, GRID), (3, 2, 6), "positions")
    time, row, column = rope.token_positions(ids, GRID)
    t, h, w = GRID
    require(not close(answer, torch.stack((time, column, row))), "row and column are exchanged: time, row, column is wanted.")
    require(not close(answer, torch.stack((column, row, time))), "the order is reversed: time, row, column is wanted.")
    column_first = torch.stack((time, ids % (h * w) % h, ids % (h * w) // h))
    require(not close(answer, column_first), "you divided by h; a row holds w tokens, so divide the rest by w.")
    require(not close(answer[1], ids // w), "the row does not start again at 0 in each time step: take it modulo h.")
    require(close(answer[0], time), "the time step is wrong: one step holds h * w tokens.")
    require(close(answer[1], row), "the row is wrong: after the time step is taken off, one row holds w tokens.")
    require(close(answer[2], column), "the column is wrong: it is what is left when whole rows are taken off.")
    return "every token knows where and when it is."


@grader
def frequencies(fn: Callable) -> str:
    """Check a function (width, base) -> (width,) that gives the textbook frequencies."""
    for width, base in ((20, 10_000.0), (26, 100.0)):
        answer = fn(width, base)
        half = rope.channel_frequencies(width, base, "textbook")[::2]
        if isinstance(answer, torch.Tensor):
            require(tuple(answer.shape) != (width // 2,), "that is one frequency a pair; give both members of a pair theirs.")
        answer = require_tensor(answer, (width,), "the frequencies")
        require(not close(answer, half.repeat(2)), "that is the tiled form: neighbours should share a frequency.")
        slow = (half**0.5).repeat_interleave(2)
        require(not close(answer, slow), "the exponent is -i/width: it should be -2i/width, for width/2 pairs.")
        channel = base ** -(torch.arange(width) / width)
        require(not close(answer, channel), "every channel has its own frequency: neighbours should share one.")
        require(not close(answer, half.flip(0).repeat_interleave(2)), "the slowest pair comes first: reverse the order.")
        growing = answer[0] > 0 and (answer[1:] >= answer[:-1]).all() and answer[-1] > 1
        require(not growing, "the frequencies grow beyond 1: the exponent needs a minus sign.")
        require(close(answer, half.repeat_interleave(2)), "expected base^(-2i/width) for pair i, from i = 0.")
    return "neighbours share a frequency, and the first pair is the fastest."


@grader
def turn(fn: Callable) -> str:
    """Check a function (x (b, e, n, c), angles (n, c)) -> (b, e, n, c) that turns neighbouring channels."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 3, 5, 8, generator=generator)
    angles = torch.rand(5, 8, generator=generator) * 3
    answer = require_tensor(fn(x.clone(), angles), (2, 3, 5, 8), "the turned x")
    even, odd, cos, sin = x[..., ::2], x[..., 1::2], angles.cos(), angles.sin()

    def joined(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.stack((first, second), -1).flatten(-2)

    right = joined(even * cos[:, ::2] - odd * sin[:, ::2], odd * cos[:, 1::2] + even * sin[:, 1::2])
    back = joined(even * cos[:, ::2] + odd * sin[:, ::2], odd * cos[:, 1::2] - even * sin[:, 1::2])
    one_angle = joined(even * cos[:, ::2] - odd * sin[:, ::2], odd * cos[:, ::2] + even * sin[:, ::2])
    halves = x * cos + torch.cat((-x[..., 4:], x[..., :4]), -1) * sin
    unsigned = x * cos + joined(odd, even) * sin
    require(not close(answer, x * cos), "only the cosine is there: add the partner times the sine.")
    require(not close(answer, back), "it turns the wrong way round: the minus belongs to the even channel.")
    require(not close(answer, halves), "channel j is paired with j + c/2; here neighbours 2j and 2j+1 are partners.")
    require(not close(answer, one_angle), "both members of a pair use the first one's angle; each channel has its own.")
    require(not close(answer, unsigned), "a sign is missing: the even channel gets minus its partner times the sine.")
    require(close(answer, right), "compare with the two formulas, for one token and one pair, by hand.")
    return "the same as the library, for tiled and textbook angles."
