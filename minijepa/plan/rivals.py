"""Two other ways to search, through the same interface as ``cem.CEM``: MPPI and gradient descent."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from minijepa.plan.cem import CEM, Evaluate, Iteration, NoPlan, Plan
from minijepa.plan.space import ActionSpace, Number, Plans, Steps


@dataclass(frozen=True)
class MPPI(CEM):
    """Weigh samples by exp(-energy / temperature) instead of counting all elites alike (Williams et al. 2017).

    With ``elites=samples`` every sample has its weight, the original form.
    """

    temperature: Number = 0.3  # in standard deviations of these energies, so that their unit does not matter

    def moments(self, best: Plans, energies: Float[Tensor, "s"]) -> tuple[Steps, Steps]:
        """Return the weighted mean and std."""
        weights = (-energies / (self.temperature * energies.std()).clamp(min=1e-12)).softmax(0)[:, None, None]
        mean = (weights * best).sum(0)
        return mean, (weights * (best - mean) ** 2).sum(0).sqrt()


@dataclass(frozen=True)
class GradientDescent:
    """Walk downhill on the energy from several random starts; the answer is the best plan seen."""

    samples: int = 8  # starts; all of them are in memory at once, for the gradient
    iterations: int = 20
    rate: Number = 0.3  # first step along the steepest channel, in stds of the action space; falls to 0 linearly

    def search(self, evaluate: Evaluate, space: ActionSpace, horizon: int, generator: Generator) -> Plan:
        """Return the best plan, and all iterations; their elite is the best of each, their mean the best so far."""
        (mean, std), trace, least = space.start(horizon), [], torch.inf
        actions = space.draw(mean, std, self.samples, generator)
        for i in range(self.iterations):
            with torch.enable_grad():
                energies = evaluate(actions.requires_grad_())
                slopes = torch.autograd.grad(energies.sum(), actions)[0]
            actions, energies = actions.detach(), energies.detach()
            best = energies.argmin()
            if energies[best] < least:
                mean, least = actions[best], energies[best]
            trace.append(Iteration(actions, energies, best[None], mean, std))
            downhill = std * slopes / (std * slopes).abs().amax((1, 2), keepdim=True).clamp(min=1e-12)
            actions = space.clip(actions - self.rate * (1 - i / self.iterations) * std * downhill)
        if least == torch.inf:
            raise NoPlan(f"expected a plan inside the workspace, got none of {self.samples}; start further inside")
        return Plan(mean, tuple(trace))
