"""Keep features apart without a teacher: two terms that make a collapsed batch expensive.

Both look at a batch of feature vectors and nothing else, so they can be added to any objective; see
``study.variants``.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Features = Float[Tensor, "samples d"]


class VarianceCovariance(NamedTuple):
    """Hold the two terms of VICReg; the published loss weighs them 25 and 1 beside an invariance term of 25."""

    variance: Float[Tensor, ""]  # 0 where every channel has at least unit std; about 1 for a collapsed batch
    covariance: Float[Tensor, ""]  # 0 where channels are uncorrelated


def variance_covariance(features: Features) -> VarianceCovariance:
    """Measure what a batch lacks in spread and has in redundancy.

    variance = 1/d sum_j max(0, 1 - sqrt(Var[z_j] + 1e-4)), covariance = 1/d sum_{i != j} Cov[z]_ij^2.
    Source: Bardes, Ponce, LeCun, VICReg, ICLR 2022 (equations 1 to 4); facebookresearch/vicreg ``main_vicreg.py``.

    features: (samples, d), gradients flow.
    Raises ValueError for fewer than two samples.
    """
    require_samples("variance_covariance", features)
    samples, d = features.shape
    centred = features - features.mean(0)
    std = (centred.square().sum(0) / (samples - 1) + 1e-4).sqrt()
    covariance = centred.T @ centred / (samples - 1)  # (d, d)
    redundancy = covariance.square().sum() - covariance.diagonal().square().sum()
    return VarianceCovariance((1 - std).clamp_min(0).mean(), redundancy / d)


def sigreg(
    features: Features, generator: torch.Generator, directions: int = 256, knots: int = 17, reach: float = 3.0
) -> Float[Tensor, ""]:
    """Test along random directions whether a batch looks like samples of a standard normal distribution.

    Project on unit vectors a and average the Epps-Pulley statistic
    N integral |1/N sum_i exp(i t a.z_i) - exp(-t^2/2)|^2 exp(-t^2/2) dt over them, with t from -reach to reach.
    Normal samples give about 1.05 whatever N and d are, a batch collapsed to 0 gives 0.40 N.
    Source: Balestriero and LeCun, LeJEPA (arXiv 2511.08544); rbalestr-lab/lejepa ``univariate/epps_pulley.py``
    and ``multivariate/slicing.py``, with their defaults (17 knots from 0 to 3, doubled by symmetry).

    features: (samples, d), gradients flow. generator: of the directions, on the CPU; draw new ones at every step.
    Raises ValueError for fewer than two samples.

    Differs: with several processes the official code averages the characteristic function over all of them; here
    each process tests its own samples.
    """
    require_samples("sigreg", features)
    features = features.float()  # sums of cosines of bfloat16 numbers would be too coarse
    axes = torch.randn(features.shape[1], directions, generator=generator)
    axes = (axes / axes.norm(dim=0)).to(features.device)
    t = torch.linspace(0, reach, knots, device=features.device)
    normal = torch.exp(-t.square() / 2)  # the characteristic function, and the window of the integral
    angle = (features @ axes)[..., None] * t  # (samples, directions, knots)
    gap = (angle.cos().mean(0) - normal).square() + angle.sin().mean(0).square()
    return 2 * len(features) * torch.trapezoid(gap * normal, t).mean()


def require_samples(name: str, features: Tensor) -> None:
    """Raise ValueError unless there are at least two feature vectors to compare."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"{name}: expected features of shape (samples, d) with at least 2 samples, got {tuple(features.shape)}; "
            "pool or flatten the tokens first: tokens.flatten(0, 1) or tokens.mean(1)"
        )
