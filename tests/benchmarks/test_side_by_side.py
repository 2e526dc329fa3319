"""The stopwatch is right before anything is timed with it."""

import torch

from tests.benchmarks.side_by_side import Comparison, side_by_side


def spin(times: int):
    total = 0
    for i in range(times):
        total += i
    return total


def test_the_median_ratio_says_how_much_faster_ours_is():
    found = side_by_side("a loop of 20,000 against one of 60,000", lambda: spin(20_000), lambda: spin(60_000), rounds=5)
    assert 2.0 < found.ratio < 4.5


def test_one_slow_round_does_not_move_the_ratio():
    assert Comparison("x", [1.0, 1.0, 9.0], [2.0, 2.0, 2.0]).ratio == 2.0


def test_the_thread_count_is_put_back():
    before = torch.get_num_threads()
    side_by_side("nothing", lambda: None, lambda: None, rounds=2, round_seconds=0.001)
    assert torch.get_num_threads() == before
