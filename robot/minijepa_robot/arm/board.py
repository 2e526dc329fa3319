"""Let one process write numbers and others read them whole, without a lock that a killed process could keep."""

import multiprocessing
import time

import numpy as np
from jaxtyping import Float64

PATIENCE = 1.0  # s; a writer that was stopped in the middle of a write leaves a board that nobody can read


class Board:
    """Hold a list of numbers in shared memory: odd versions are being written, even ones are whole.

    size: the most numbers that it can hold. One process may write; it is passed to others when they are spawned.
    """

    def __init__(self, size: int) -> None:
        self._cells = multiprocessing.get_context("spawn").RawArray("d", size + 2)

    def write(self, numbers: Float64[np.ndarray, "k"]) -> None:
        """Put numbers on the board; ValueError if there are too many."""
        cells = np.frombuffer(self._cells)
        if len(numbers) > len(cells) - 2:
            raise ValueError(f"Board: expected at most {len(cells) - 2} numbers, got {len(numbers)}")
        cells[0] += 1
        cells[1] = len(numbers)
        cells[2 : 2 + len(numbers)] = numbers
        cells[0] += 1

    def read(self) -> Float64[np.ndarray, "k"]:
        """Return the numbers that were written last, none if nothing was; TimeoutError if they are not whole for 1 s."""
        cells, until = np.frombuffer(self._cells), time.monotonic() + PATIENCE
        while time.monotonic() < until:
            before = cells[0]
            numbers = cells[2 : 2 + int(cells[1])].copy()
            if before == cells[0] and before % 2 == 0:
                return numbers
        raise TimeoutError("the board is half written and its writer stands still; restart the writer")
