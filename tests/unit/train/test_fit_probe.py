"""The probe finds what is there and nothing else."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.config import EncoderConfig
from minijepa.intervals import wilson
from minijepa.model.encoder import VideoEncoder
from minijepa.train.fit_probe import LabelledFeatures, fit_logistic, linear_probe, pooled_features


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clusters(count: int, seed: int, spread: float = 0.3) -> LabelledFeatures:
    labels = torch.arange(count) % 4
    return LabelledFeatures(torch.eye(4)[labels] @ noise(4, 16, seed=99) + spread * noise(count, 16, seed=seed), labels)


def test_separable_data_is_separated():
    result = linear_probe(clusters(200, 1), clusters(80, 2), clusters(120, 3))
    assert result.accuracy == 1 and result.clips == 120
    assert result.interval == pytest.approx((0.9690, 1.0), abs=1e-4)


def test_noise_is_chance():
    labels = torch.arange(4_000) % 4
    parts = [LabelledFeatures(noise(1_000, 16, seed=s), labels[:1_000]) for s in range(2)]
    test = LabelledFeatures(noise(4_000, 16, seed=7), labels)
    result = linear_probe(*parts, test)
    assert abs(result.accuracy - 0.25) < 0.03 and result.interval[0] < 0.25 < result.interval[1] + 0.02


def test_features_of_any_scale_do_as_well():
    scale, shift = 10.0 ** torch.linspace(-4, 4, 16), 100 * noise(16, seed=5)
    parts = [clusters(200, 1), clusters(80, 2), clusters(120, 3)]
    scaled = [LabelledFeatures(part.features * scale + shift * scale, part.labels) for part in parts]
    assert linear_probe(*scaled).accuracy > 0.98


def test_penalty_is_chosen_on_validation_clips():
    """The penalty that the test clips would choose must not win by their vote."""
    train, validation = (clusters(60, seed, spread=1.5) for seed in (1, 2))
    test = LabelledFeatures(validation.features, (validation.labels + 1) % 4)  # what is right there is wrong here
    result = linear_probe(train, validation, test, penalties=(1e-5, 1e-1, 10.0))
    mean, std = train.features.mean(0), train.features.std(0) + 1e-6
    parts = [LabelledFeatures((part.features - mean) / std, part.labels) for part in (train, validation, test)]
    scores = {}
    for penalty in (1e-5, 1e-1, 10.0):
        weight, bias = fit_logistic(parts[0], penalty)
        scores[penalty] = [(F.linear(p.features, weight, bias).argmax(1) == p.labels).float().mean().item() for p in parts]
    best = max(scores, key=lambda penalty: scores[penalty][1])
    assert best != max(scores, key=lambda penalty: scores[penalty][2]), "the two sets agree, so this shows nothing"
    assert result.penalty == best and result.accuracy == pytest.approx(scores[best][2])


def test_logistic_regression_is_at_its_minimum():
    train = clusters(100, 1, spread=1.0)
    weight, bias = (p.requires_grad_() for p in fit_logistic(train, 1e-2))
    loss = F.cross_entropy(F.linear(train.features, weight, bias), train.labels) + 5e-3 * weight.square().sum()
    loss.backward()
    assert weight.grad.abs().max() < 1e-3 and bias.grad.abs().max() < 1e-3


def test_unseen_label_is_refused():
    test = clusters(20, 3)
    test.labels[0] = 9
    with pytest.raises(ValueError, match=r"new \[9\]"):
        linear_probe(clusters(40, 1), clusters(20, 2), test)


def test_pooled_features_are_means_in_batches():
    encoder = VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)).train()
    video = noise(5, 3, 8, 32, 32)
    features = pooled_features(encoder, video, batch=2)
    assert features.shape == (5, 64) and not features.requires_grad
    assert torch.allclose(features, encoder(video).mean(1), atol=1e-5)


# the intervals that Newcombe prints for method 3 (Statistics in Medicine 17, 1998, table I), and one by hand:
# 5 of 10: centre 1/2, half width 1.96 sqrt(10 / 4 + 3.8415 / 4) / 13.8415 = 0.2634
@pytest.mark.parametrize(
    "successes, trials, low, high",
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_wilson(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("successes, trials", [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)
