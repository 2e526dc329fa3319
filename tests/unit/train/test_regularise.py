"""The two regularisers know a good batch from a collapsed one, and their gradients mend it."""

import math

import pytest
import torch

from minijepa.train.health import effective_rank, feature_std
from minijepa.train.regularise import sigreg, variance_covariance


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(samples: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, d, generator=generator(seed))


def test_variance_covariance_by_hand():
    features = torch.tensor([[0.5, 0.0], [-0.5, 0.0]])  # variances 0.5 and 0, uncorrelated
    terms = variance_covariance(features)
    expected = ((1 - math.sqrt(0.5 + 1e-4)) + (1 - math.sqrt(1e-4))) / 2
    assert terms.variance.item() == pytest.approx(expected, abs=1e-6) and terms.covariance == 0
    twins = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # covariance 2 off the diagonal, twice, over d = 2
    assert variance_covariance(twins).covariance.item() == pytest.approx(4.0)
    assert variance_covariance(twins).variance == 0  # std above 1 costs nothing


def test_variance_covariance_ignores_a_shift():
    features = normal(64, 8)
    for one, other in zip(variance_covariance(features), variance_covariance(features + 5), strict=True):
        assert one.item() == pytest.approx(other.item(), abs=1e-4)


def test_sigreg_of_normal_samples_is_what_theory_says():
    # E |phi_N - phi|^2 = (1 - exp(-t^2)) / N, integrated with the window over -3 .. 3
    expected = math.sqrt(2 * math.pi) * math.erf(3 / math.sqrt(2)) - math.sqrt(2 * math.pi / 3) * math.erf(3 * math.sqrt(1.5))
    values = [sigreg(normal(500, 16, seed), generator(seed), 64).item() for seed in range(20)]
    assert sum(values) / len(values) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("samples", [10, 1_000])
def test_sigreg_of_a_collapsed_batch_grows_with_the_samples(samples):
    assert sigreg(torch.zeros(samples, 8), generator()).item() == pytest.approx(0.402 * samples, rel=1e-2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: 0.1 * z,
        lambda z: 3 * z,
        lambda z: z + 2,
        lambda z: z[:, :1].expand_as(z).contiguous(),
        lambda z: z.sign(),
    ],
    ids=["shrunk", "too wide", "shifted", "one direction", "two points"],
)
def test_sigreg_rejects_everything_else(spoil):
    z = normal(2_000, 4)
    assert sigreg(spoil(z), generator()) > 10 * sigreg(z, generator())


def test_sigreg_depends_on_the_generator_alone():
    z = normal(50, 8)
    assert sigreg(z, generator(3)) == sigreg(z, generator(3)) != sigreg(z, generator(4))


@pytest.mark.parametrize("name", ["variance_covariance", "sigreg"])
def test_gradients_spread_a_collapsed_batch(name):
    features = (0.01 * normal(256, 8) + normal(256, 1, 1) * torch.ones(8)).requires_grad_()
    before = effective_rank(features.detach())
    optimiser = torch.optim.Adam([features], lr=0.02)
    for step in range(400):
        loss = sigreg(features, generator(step), 64) if name == "sigreg" else sum(variance_covariance(features))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert before < 1.5 and effective_rank(features.detach()) > 6
    assert 0.8 < feature_std(features.detach()) < 1.3


@pytest.mark.parametrize("shape", [(1, 8), (4, 2, 8)])
def test_too_few_samples_or_tokens_are_refused(shape):
    checked = (ValueError, TypeError)  # the shape of three axes is caught by the checked signature in tests
    with pytest.raises(Exception, match="samples") as caught:
        variance_covariance(torch.zeros(shape))
    assert isinstance(caught.value, checked) or "jaxtyping" in type(caught.value).__module__
    with pytest.raises(Exception, match="samples"):
        sigreg(torch.zeros(shape), generator())
