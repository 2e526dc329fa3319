"""Does the energy know the way? Rank correlation of latent distance with true distance, near the goal and far from it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Row = dict[str, float | int | str]
States = Float[Tensor, "s state"]


@runtime_checkable
class Simulated(Protocol):
    """Ask of a world what a ranking needs; see ``study.fault.World``."""

    def simulate(self, state: Tensor, action: Tensor) -> Tensor:
        """Return the next states."""

    def distance(self, state: Tensor, goal: Tensor) -> Tensor:
        """Return the distances to goals."""


def spearman(x: Float[Tensor, "s"], y: Float[Tensor, "s"]) -> float:
    """Return the rank correlation of two lists, tied values sharing their mean rank; 0 where one list is constant."""
    ranks = torch.stack((mean_ranks(x), mean_ranks(y)))
    centred = ranks - ranks.mean(1, keepdim=True)
    scale = centred.norm(dim=1).prod()
    return float((centred[0] * centred[1]).sum() / scale) if scale > 0 else 0.0


def mean_ranks(values: Float[Tensor, "s"]) -> Float[Tensor, "s"]:
    """Return the rank of every value, from 1; equal values share the mean of theirs."""
    _, place, count = values.unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count - 1) / 2)[place]


def landscape(
    world: Simulated,
    see: Callable[[Tensor], Tensor],
    energy: Callable[[Tensor, Tensor], Tensor],
    guess: Callable[[int, Generator], Tensor],
    pairs: tuple[States, States],
    seed: int = 0,
) -> list[Row]:
    """Rank what 64 random actions do to each start, by learnt energy and by true distance to its goal, and correlate.

    see: states (s, k) -> latents (s, …). energy: of latents to a goal's (1, …). guess: (count, generator) -> random actions.
    pairs: starts and goals (s, k). Returns three rows, for the nearest, the middle and the farthest third of the pairs, with
    ``low`` and ``high`` (their distances), ``pairs`` and ``rank_correlation``: 1 where the energy points the right way.
    """
    starts, goals = pairs
    found = []
    for k, (start, goal) in enumerate(zip(starts.split(1), goals.split(1))):
        after = world.simulate(start.expand(64, -1), guess(64, Generator().manual_seed(seed + k)))
        rho = spearman(energy(see(after), see(goal)), world.distance(after, goal))
        found.append((float(world.distance(start, goal)), rho))
    found.sort()
    rows: list[Row] = []
    for name, third in zip(("near", "middle", "far"), torch.arange(len(found)).tensor_split(3)):
        some = [found[k] for k in third.tolist()]
        if some:
            mean = sum(rho for _, rho in some) / len(some)
            rows.append({"goal": name, "low": some[0][0], "high": some[-1][0], "pairs": len(some), "rank_correlation": mean})
    return rows


def linear_locator(latents: Float[Tensor, "s ..."], states: States, ridge: float = 1e-2) -> Callable[[Tensor], Tensor]:
    """Fit a linear read-out of the state by ridge regression on standardised latents, and return it as a function.

    latents: (s, …) of known states (s, k). ridge: penalty as a share of the kernel's mean diagonal.
    """
    flat = latents.flatten(1).double()
    mean, std, centre = flat.mean(0), flat.std(0).clamp(min=1e-6), states.double().mean(0)
    x = (flat - mean) / std
    kernel = x @ x.T  # as many rows as states, which are fewer than channels
    penalty = ridge * kernel.diagonal().mean() * torch.eye(len(x), dtype=torch.float64)
    weights = x.T @ torch.linalg.solve(kernel + penalty, states.double() - centre)
    return lambda new: ((new.flatten(1).double() - mean) / std @ weights + centre).to(states.dtype)
