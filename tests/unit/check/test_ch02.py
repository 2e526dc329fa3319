"""The graders of chapter 02 accept the library and name the typical mistakes."""

import pytest
import torch

from minijepa.check import ch02
from minijepa.model import rope


def textbook(width, base):
    return rope.channel_frequencies(width, base, "textbook")


def turn(x, angles):
    sign = torch.tensor([-1.0, 1.0]).repeat(x.shape[-1] // 2)
    return rope.rotate(x, rope.Rotary(angles.cos()[None, None], (angles.sin() * sign)[None, None]))


def exchanged(ids, grid):
    return rope.token_positions(ids, grid)[[0, 2, 1]]


def divided_by_h(ids, grid):
    _, h, w = grid
    rest = ids % (h * w)
    return torch.stack((ids // (h * w), rest % h, rest // h))


def rows_never_restart(ids, grid):
    _, h, w = grid
    return torch.stack((ids // (h * w), ids // w, ids % w))


def halves(x, angles):
    c = x.shape[-1] // 2
    return x * angles.cos() + torch.cat((-x[..., c:], x[..., :c]), -1) * angles.sin()


def backwards(x, angles):
    return turn(x, -angles)


WRONG = [
    (ch02.positions, exchanged, "row and column are exchanged"),
    (ch02.positions, lambda ids, grid: rope.token_positions(ids, grid).flip(0), "order is reversed"),
    (ch02.positions, divided_by_h, "divide the rest by w"),
    (ch02.positions, rows_never_restart, "modulo h"),
    (ch02.positions, lambda ids, grid: rope.token_positions(ids, (3, 5, 4)), "row"),
    (ch02.frequencies, lambda width, base: rope.channel_frequencies(width, base, "tiled"), "tiled form"),
    (ch02.frequencies, lambda width, base: textbook(width, base)[::2], "one frequency a pair"),
    (ch02.frequencies, lambda width, base: textbook(width, base).flip(0), "slowest pair comes first"),
    (ch02.frequencies, lambda width, base: 1 / textbook(width, base), "minus sign"),
    (ch02.frequencies, lambda width, base: textbook(width, base).sqrt(), "-2i/width"),
    (ch02.turn, halves, "j + c/2"),
    (ch02.turn, backwards, "wrong way round"),
    (ch02.turn, lambda x, angles: x * angles.cos(), "only the cosine"),
    (ch02.turn, lambda x, angles: turn(x, angles[:, ::2].repeat_interleave(2, 1)), "each channel has its own"),
]
GRADERS = [(ch02.positions, rope.token_positions), (ch02.frequencies, textbook), (ch02.turn, turn)]


@pytest.mark.parametrize("grade, fn", GRADERS)
def test_library_passes(grade, fn):
    assert grade(fn).passed, grade(fn)


@pytest.mark.parametrize("grade, fn, part", WRONG)
def test_typical_mistake_is_named(grade, fn, part):
    verdict = grade(fn)
    assert not verdict.passed and part in verdict.message, verdict


@pytest.mark.parametrize("grade, fn", GRADERS)
def test_nothing_nan_and_errors_are_verdicts(grade, fn):
    def broken(first, second):
        raise RuntimeError("broken")

    assert "return" in grade(lambda first, second: None).message
    assert "RuntimeError" in grade(broken).message
    verdict = grade(lambda first, second: fn(first, second) * float("nan"))
    assert "NaN" in verdict.message
