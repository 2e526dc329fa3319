"""The health numbers of batches whose answer is known."""

import math

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.train.health import constant_loss, effective_rank, feature_std, health, nearest_clips, neighbour_agreement


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank):
    axes = torch.linalg.qr(noise(100, 8) - noise(100, 8).mean(0)).Q[:, :rank]
    axes = torch.linalg.qr(torch.cat((torch.ones(100, 1), axes), 1)).Q[:, 1:]  # centred, orthonormal columns
    features = axes @ torch.linalg.qr(noise(8, 8)).Q[:rank]
    assert effective_rank(features) == pytest.approx(rank, rel=1e-3)


def test_effective_rank_of_unequal_directions_by_hand():
    axes = torch.linalg.qr(torch.cat((torch.ones(50, 1), noise(50, 2)), 1)).Q[:, 1:]
    features = axes * torch.tensor([3.0, 1.0])  # shares 3/4 and 1/4
    expected = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert effective_rank(features) == pytest.approx(expected, rel=1e-4)


def test_offset_is_no_direction():
    features = noise(400, 16)
    assert effective_rank(features + 100 * torch.arange(16.0)) == pytest.approx(effective_rank(features), rel=1e-3)
    assert effective_rank(features) > 15


def test_collapse_has_no_spread():
    collapsed = torch.full((32, 8), 0.7)
    assert feature_std(collapsed) == pytest.approx(0, abs=1e-6)
    assert feature_std(noise(4_000, 8)) == pytest.approx(1, abs=0.02)


def test_constant_loss_is_the_best_constant():
    targets = noise(16, 10, 4).exp()  # skewed: the mean is not the best
    best = constant_loss(targets)
    assert best == pytest.approx((targets - targets.flatten(0, 1).median(0).values).abs().mean().item(), abs=1e-6)
    assert best < (targets - targets.mean((0, 1))).abs().mean()
    assert constant_loss(torch.ones(2, 3, 4)) == 0
    assert constant_loss(noise(64, 64, 8)) == pytest.approx(math.sqrt(2 / math.pi), rel=0.02)


def test_nearest_clips_finds_the_twin():
    features = noise(20, 8)
    queries = 2 * (features[[4, 7]] - features.mean(0)) + features.mean(0)  # same direction, twice as far
    found = nearest_clips(features, queries, 3)
    assert found.shape == (2, 3) and found[:, 0].tolist() == [4, 7]


@pytest.mark.parametrize("count", [0, 21])
def test_nearest_clips_refuses(count):
    with pytest.raises(ValueError, match="neighbours"):
        nearest_clips(noise(20, 8), noise(2, 8), count)


def test_neighbours_agree_in_clusters_and_not_in_noise():
    labels = torch.arange(400) % 4
    clusters = 10 * torch.eye(4)[labels] + noise(400, 4)
    assert neighbour_agreement(clusters, labels) == 1
    assert neighbour_agreement(noise(400, 4), labels) == pytest.approx(0.25, abs=0.05)


def test_neighbours_of_identical_features_are_not_oneself():
    assert neighbour_agreement(torch.zeros(20, 4), torch.arange(20), 3) == 0


def test_health_of_an_encoder_and_of_a_dead_one():
    encoder = VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)).eval()
    video = noise(16, 3, 8, 32, 32)
    alive = health(encoder, video)
    encoder.norm.weight.data.zero_()
    encoder.norm.bias.data.copy_(noise(64))
    dead = health(encoder, video)
    assert list(alive) == ["feature_std", "effective_rank", "constant_loss"]
    assert alive["feature_std"] > 0.01 and alive["constant_loss"] > 0.1
    assert dead["feature_std"] < 1e-6 and dead["constant_loss"] < 1e-6
