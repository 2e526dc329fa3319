"""Readers of a board see whole writes only, and a writer that died within one does not keep them waiting."""

import multiprocessing
import time

import numpy as np
import pytest

from minijepa_robot.arm import board
from minijepa_robot.arm.board import Board


def scribble(shared, seconds):
    until, k = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        k += 1
        shared.write(np.full(200, float(k)))


def test_reads_what_was_written_last():
    shared = Board(8)
    assert len(shared.read()) == 0
    shared.write(np.arange(8.0))
    shared.write(np.arange(3.0))
    np.testing.assert_array_equal(shared.read(), (0, 1, 2))


def test_too_many_numbers():
    with pytest.raises(ValueError, match="at most 4"):
        Board(4).write(np.zeros(5))


def test_no_read_mixes_two_writes():
    shared = Board(200)
    writer = multiprocessing.get_context("fork").Process(target=scribble, args=(shared, 1.0))
    writer.start()
    seen = set()
    while writer.is_alive():
        numbers = shared.read()
        assert len(set(numbers.tolist())) <= 1
        seen |= set(numbers.tolist())
    writer.join(10)
    assert len(seen) > 20


def test_half_a_write_is_an_error(monkeypatch):
    monkeypatch.setattr(board, "PATIENCE", 0.05)
    shared = Board(4)
    shared.write(np.zeros(2))
    np.frombuffer(shared._cells)[0] += 1
    with pytest.raises(TimeoutError, match="restart"):
        shared.read()
