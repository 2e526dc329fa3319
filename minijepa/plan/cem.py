"""Which actions lead to the goal? Imagine many, keep the best, draw again around them: the cross-entropy method.

Implements ``cem`` of facebookresearch/vjepa2 ``notebooks/utils/mpc_utils.py`` for any world model and any action space.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from minijepa.plan.space import ActionSpace, Group, Plans, Steps, franka
from minijepa.plan.world import DISTANCES, Distance, WorldModel, rollout

Evaluate = Callable[[Tensor], Tensor]  # plans (s, horizon, width) -> energies (s,); infinite outside the workspace
Latent = Float[Tensor, "one ..."]
Pose = Float[Tensor, "1 pose"]


class NoPlan(ValueError):
    """Report that no plan can be had: why, and the way out."""


class Iteration(NamedTuple):
    """Keep what one iteration tried and what it learnt, for figures."""

    actions: Plans
    energies: Float[Tensor, "s"]
    elites: Int[Tensor, "k"]  # the samples that moved the mean, best first
    mean: Steps  # after this iteration
    std: Steps


class Plan(NamedTuple):
    """Hold the answer of a planner and how it came to it."""

    actions: Steps
    trace: tuple[Iteration, ...]


@runtime_checkable
class Method(Protocol):
    """Ask one thing of a planner: find actions (horizon, width) of low energy, and tell what every iteration did."""

    def search(self, evaluate: Evaluate, space: ActionSpace, horizon: int, generator: Generator) -> Plan:
        """Return the plan."""


@dataclass(frozen=True)
class CEM:
    """Move a Gaussian towards the samples of least energy; the answer is its mean, not the best sample."""

    samples: int = 100
    iterations: int = 10
    elites: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.elites <= self.samples or self.iterations < 1:
            raise ValueError(f"expected 2 <= elites <= samples and iterations >= 1, got {self}; a std needs two elites")

    def search(self, evaluate: Evaluate, space: ActionSpace, horizon: int, generator: Generator) -> Plan:
        """Return the mean after the last iteration, and all iterations."""
        (mean, std), trace = space.start(horizon), []
        keep_mean, keep_std = space.row("momentum_mean"), space.row("momentum_std")
        for _ in range(self.iterations):
            actions = space.draw(mean, std, self.samples, generator)
            energies = evaluate(actions)
            elites = energies.topk(min(self.elites, int(energies.isfinite().sum())), largest=False).indices
            if len(elites) < 2:
                raise NoPlan(f"expected plans inside the workspace, got {len(elites)} of {self.samples}; start further inside")
            new_mean, new_std = self.moments(actions[elites], energies[elites])
            mean, std = (1 - keep_mean) * new_mean + keep_mean * mean, (1 - keep_std) * new_std + keep_std * std
            trace.append(Iteration(actions, energies, elites, mean, std))
        return Plan(mean, tuple(trace))

    def moments(self, best: Plans, energies: Float[Tensor, "s"]) -> tuple[Steps, Steps]:
        """Return mean and unbiased std of the elites."""
        return best.mean(0), best.std(0)


@dataclass(frozen=True)
class PlanConfig:
    """Say what is searched, how and for what."""

    space: ActionSpace
    method: Method = CEM()
    horizon: int = 1  # actions in a plan
    distance: Literal["l1", "l2"] | Distance = "l1"  # energy of a latent; released: "l1"
    when: Literal["last", "sum"] = "last"  # energy of the last imagined step, or of all steps added; released: "last"
    chunk: int = 4  # samples imagined at a time: memory does not grow with the number of samples
    execute: int = 1  # actions that ``control`` does before it plans again; the horizon: open loop

    def __post_init__(self) -> None:
        if not 1 <= self.execute <= self.horizon or self.chunk < 1:
            raise ValueError(
                f"expected 1 <= execute <= horizon and chunk >= 1, got {self.execute}, {self.horizon}, {self.chunk}"
            )

    @property
    def energy(self) -> Distance:
        """Give the function behind ``distance``."""
        return DISTANCES[self.distance] if isinstance(self.distance, str) else self.distance


# The arm's settings. The paper calls its radius an L1 ball and starts with std 1; the code clips to a box.
PAPER = PlanConfig(franka(Group((0, 1, 2), 0.075, 1.0, region="l1_ball")), CEM(800, 10, 10))
RELEASED_FUNCTION = PlanConfig(franka(Group((0, 1, 2), 0.05, 0.05, 0.25, 0.95)), CEM(100, 100, 10))
RELEASED_WRAPPER = PlanConfig(franka(Group((0, 1, 2), 0.05, 0.05)), CEM(400, 10, 10), horizon=2)
NOTEBOOK = PlanConfig(franka(Group((0, 1, 2), 0.075, 0.075, 0.15, 0.75)), CEM(25, 2, 10), horizon=2)


@torch.no_grad()
def plan(world_model: WorldModel, context: Latent, pose: Pose, goal: Latent, config: PlanConfig, generator: Generator) -> Plan:
    """Search the actions whose imagined end is nearest to the goal: argmin over a of E(a) = d(rollout(context, a), goal).

    context, goal: latents (1, …) as ``world_model.encode`` returns them. pose: (1, width) before the first action.
    generator: on the CPU, so that the same seed gives the same candidates on any device.
    Returns the actions (horizon, width) on the CPU, those in a dead zone set to 0, and the trace.
    Raises ValueError for shapes that do not fit or numbers that are not finite, NoPlan where no candidate is admissible.
    """
    _require(config.space, context, pose, goal)

    def evaluate(actions: Tensor) -> Tensor:
        poses, found = config.space.poses(pose.cpu(), actions), actions.new_zeros(len(actions))
        for rows in torch.arange(len(actions)).split(config.chunk):
            some, places = actions[rows].to(context.device), poses[rows].to(context.device)
            steps = [config.energy(latents, goal) for latents in rollout(world_model, context, some, places)]
            found[rows] = (sum(steps) if config.when == "sum" else steps[-1]).cpu()  # in place: no scraps between chunks
        if found.isnan().any():
            raise NoPlan(f"expected energies, got NaN for {int(found.isnan().sum())} plans; look at the world model's output")
        return found.masked_fill(config.space.outside(poses).any(1), torch.inf)

    actions, trace = config.method.search(evaluate, config.space, config.horizon, generator)
    return Plan(actions.masked_fill(actions.abs() < config.space.row("dead_zone"), 0.0), trace)


def _require(space: ActionSpace, context: Tensor, pose: Tensor, goal: Tensor) -> None:
    if context.shape != goal.shape or len(goal) != 1 or pose.shape != (1, space.width):
        shapes = [tuple(part.shape) for part in (context, goal, pose)]
        raise ValueError(f"expected context and goal of one shape (1, …) and a pose (1, {space.width}), got {shapes}")
    for name, values in (("context", context), ("goal", goal), ("pose", pose)):
        if not values.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity; was the picture read and normalised?")
    if space.outside(pose).any():
        raise NoPlan(f"pose: expected one within the workspace {space.bounds}, got {pose[0].tolist()}; move the robot back")
