"""Time two ways of doing the same thing fairly: side by side in one run, in interleaved rounds, on one thread.

Machines drift: clocks step down, neighbours wake up. Two measurements taken one after the other compare the machine with
itself. Here the sides take turns, each round gives one ratio, and the median of the ratios is what is reported. Time is the
CPU time of this process, so that a neighbour who takes the core for a while is not counted.
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Comparison:
    """Hold the seconds of each round, ours and theirs, and say how they compare."""

    name: str
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs)]

    @property
    def ratio(self) -> float:
        """Give the median over rounds of their seconds / our seconds: above 1, ours is faster."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        low, _, high = statistics.quantiles(self.ratios, n=4) if len(self.ratios) > 1 else [self.ratio] * 3
        ours, theirs = 1e3 * statistics.median(self.ours), 1e3 * statistics.median(self.theirs)
        spread = f"quartiles {low:.2f}-{high:.2f}, {len(self.ours)} rounds"
        return f"{self.name:<52} ours {ours:9.2f} ms  theirs {theirs:9.2f} ms  ratio {self.ratio:5.2f}x ({spread})"


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def side_by_side(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 11, round_seconds: float = 0.2
) -> Comparison:
    """Time `ours` and `theirs` in turn, on one thread: `rounds` rounds A B, A B, … after one uncounted warm-up of each.

    A round repeats its call until it takes about `round_seconds` (by the warm-up's time, the same number for both sides).
    The thread count is put back afterwards. Print the result to show it.
    """
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        warm = max(min(cpu_seconds(side, 1), cpu_seconds(side, 1)) for side in (ours, theirs))
        repeats = max(1, round(round_seconds / max(warm, 1e-7)))
        pairs = [(cpu_seconds(ours, repeats), cpu_seconds(theirs, repeats)) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
        if collecting:
            gc.enable()
    return Comparison(name, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
