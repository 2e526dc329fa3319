"""Rank correlation against scipy, and a read-out that reads what is there."""

import pytest
import torch
from scipy.stats import rankdata, spearmanr
from torch.testing import assert_close

from minijepa.study.landscape import linear_locator, mean_ranks, spearman


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_spearman_is_scipys_ties_included(digits):
    x, y = noise(50).round(decimals=digits), (noise(50) + noise(50, seed=1)).round(decimals=digits)
    assert spearman(x, y) == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic, abs=1e-9)
    assert_close(mean_ranks(x), torch.from_numpy(rankdata(x.numpy())))


def test_only_the_order_counts():
    x = noise(20)
    assert spearman(x, x.exp()) == pytest.approx(1) and spearman(x, -(x**3)) == pytest.approx(-1)
    assert spearman(x, torch.ones(20)) == 0.0


@pytest.mark.parametrize("channels", [6, 300])
def test_the_locator_reads_a_linear_code(channels):
    states, code = noise(100, 3), noise(3, channels, seed=1)
    locate = linear_locator((states @ code + 4).view(100, 2, -1), states, ridge=1e-8)
    new = noise(10, 3, seed=2)
    assert_close(locate((new @ code + 4).view(10, 2, -1)), new, atol=1e-3, rtol=0.0)
    wrong = linear_locator(noise(100, channels, seed=3), states)
    assert (wrong(noise(10, channels, seed=4)) - new).abs().mean() > 0.3, "no code, nothing to read"
