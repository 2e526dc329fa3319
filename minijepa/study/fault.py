"""Who is at fault when a plan fails: the encoder, the world model or the planner?

The same episodes are run with each learnt part replaced by the truth in turn. If the planner fails with true dynamics and true
distance, the planner is at fault. If it fails only once the energy is learnt, the latents' distance is; if only once the
dynamics are learnt, the world model is. Works on any world that can be simulated, with any planner that can be called.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from minijepa.plan.cem import PlanConfig, plan
from minijepa.plan.world import Distance, WorldModel
from minijepa.study.landscape import Row, landscape

Arm = Literal["both oracle", "learnt energy", "learnt dynamics", "both learnt", "random"]
ARMS: tuple[Arm, ...] = ("both oracle", "learnt energy", "learnt dynamics", "both learnt", "random")
Culprit = Literal["nobody", "planner", "encoder", "model", "encoder and model", "encoder and model together"]
States = Float[Tensor, "s state"]


@runtime_checkable
class World(Protocol):
    """Ask four things of a world whose state is known; all of them work on batches."""

    def simulate(self, state: Tensor, action: Tensor) -> Tensor:
        """Return the states (s, k) after actions (s, a)."""

    def observe(self, state: Tensor) -> Tensor:
        """Return what a camera sees (s, …), as the model's ``encode`` takes it."""

    def pose(self, state: Tensor) -> Tensor:
        """Return the poses (s, a) that belong to states."""

    def distance(self, state: Tensor, goal: Tensor) -> Tensor:
        """Return how far states (s, k) are from goals (s or 1, k), in a unit that a person understands."""


# (model, context (1, …), pose (1, a), goal (1, …), distance, generator) -> actions (horizon, a)
Planner = Callable[[WorldModel, Tensor, Tensor, Tensor, Distance, Generator], Tensor]


@dataclass(frozen=True)
class Suspects:
    """Name the parts under suspicion, and the truth to replace them by."""

    world: World
    model: WorldModel
    planner: Planner  # ``planner(config)`` makes one
    energy: Distance  # of latents, as the planner uses it
    locate: Callable[[Tensor], Tensor]  # latents (s, …) -> states (s, k); ``landscape.linear_locator`` fits one
    guess: Callable[[int, Generator], Tensor]  # (count, generator) -> random actions (count, a)


class Diagnosis(NamedTuple):
    """Hold the evidence as plain tables, and who it speaks against."""

    culprit: Culprit
    success: dict[Arm, float]  # share of episodes that end within the tolerance
    episodes: list[Row]  # arm, episode, start and end distance
    ranks: list[Row]  # of ``landscape``: does the energy rank what one action does, near and far?
    gaps: list[Row]  # exploit gap of each decision with both parts learnt: predicted minus real final energy
    readout_error: float  # median distance between a state and what ``locate`` reads from its latent


class Simulator:
    """Give the true dynamics the interface of a world model; ``look`` says as what its states are handed out."""

    def __init__(self, world: World, start: Float[Tensor, "1 state"], look: Callable[[Tensor], Tensor]) -> None:
        self.world, self.start, self.look = world, start, look

    def encode(self, frames: Tensor) -> Tensor:
        """Return what it is given; nobody plans from pictures here."""
        return frames

    def step(self, latent: Tensor, action: Tensor, pose: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return how the true next states look; they are remembered as they are."""
        state = self.world.simulate(self.start.expand(len(action), -1) if memory is None else memory, action)
        return self.look(state), state


def planner(config: PlanConfig) -> Planner:
    """Return ``plan`` with these settings as a planner that takes its distance from the arm."""

    def search(
        model: WorldModel, context: Tensor, pose: Tensor, goal: Tensor, distance: Distance, generator: Generator
    ) -> Tensor:
        return plan(model, context, pose, goal, replace(config, distance=distance), generator).actions

    return search


def find_fault(
    suspects: Suspects, starts: States, goals: States, steps: int, tolerance: float | int, seed: int = 0, slack: float = 0.15
) -> Diagnosis:
    """Run every arm on the same start-goal pairs and say which part loses the success.

    steps: actions an episode, each planned anew. tolerance: distance to the goal that counts as success, in the world's unit.
    seed: of all random numbers; the arms share them. slack: loss of success that is put down to chance.
    Raises ValueError unless there are as many starts as goals and at least one step.
    """
    if starts.shape != goals.shape or not len(starts) or steps < 1:
        raise ValueError(f"expected starts and goals of one shape and steps >= 1, got {starts.shape}, {goals.shape}, {steps}")
    episodes: list[Row] = []
    gaps: list[Row] = []
    for arm in ARMS:
        for k, (start, goal) in enumerate(zip(starts.split(1), goals.split(1))):
            state, exploited = drive(suspects, arm, start, goal, steps, Generator().manual_seed(seed + k))
            ends = {"start": float(suspects.world.distance(start, goal)), "end": float(suspects.world.distance(state, goal))}
            episodes.append({"arm": arm, "episode": k, **ends})
            gaps += [{"episode": k, "step": step, "gap": gap} for step, gap in enumerate(exploited)]
    success = {arm: _share([row["end"] <= tolerance for row in episodes if row["arm"] == arm]) for arm in ARMS}
    see = _seer(suspects)
    error = suspects.world.distance(suspects.locate(see(starts)), starts).median().item()
    ranks = landscape(suspects.world, see, suspects.energy, suspects.guess, (starts, goals), seed)
    return Diagnosis(culprit(success, error <= tolerance, slack), success, episodes, ranks, gaps, error)


@torch.no_grad()
def drive(
    suspects: Suspects,
    arm: Arm,
    start: Float[Tensor, "1 state"],
    goal: Float[Tensor, "1 state"],
    steps: int,
    generator: Generator,
) -> tuple[Float[Tensor, "1 state"], list[float]]:
    """Run one episode and return the state at its end and, with both parts learnt, the exploit gap of every plan."""
    world, see, state, gaps = suspects.world, _seer(suspects), start, []
    for _ in range(steps):
        if arm == "random":
            actions = suspects.guess(1, generator)
        else:
            model, context, target, distance = setting(suspects, arm, state, goal)
            actions = suspects.planner(model, context, world.pose(state), target, distance, generator)
        if arm == "both learnt":
            ends = (_roll(side, world, state, see, actions) for side in (suspects.model, Simulator(world, state, see)))
            predicted, real = (float(suspects.energy(end, see(goal))) for end in ends)
            gaps.append(predicted - real)
        state = world.simulate(state, actions[:1])
    return state, gaps


def setting(suspects: Suspects, arm: Arm, state: Tensor, goal: Tensor) -> tuple[WorldModel, Tensor, Tensor, Distance]:
    """Return the model, the start, the goal and the distance that a planner is given in an arm."""
    world, see = suspects.world, _seer(suspects)
    if arm == "both oracle":
        return Simulator(world, state, lambda states: states), state, goal, world.distance
    if arm == "learnt energy":
        return Simulator(world, state, see), see(state), see(goal), suspects.energy
    if arm == "learnt dynamics":
        return suspects.model, see(state), see(goal), lambda latents, _: world.distance(suspects.locate(latents), goal)
    return suspects.model, see(state), see(goal), suspects.energy


def culprit(success: dict[Arm, float], readable: bool, slack: float = 0.15) -> Culprit:
    """Name the part whose replacement by the truth brings the success back.

    success: share of successful episodes by arm. readable: whether the true latents can be located well enough for the arm
    with learnt dynamics to accuse the model; if not, its failure is the encoder's, whose latents do not tell the state.
    """
    best = success["both oracle"]
    if best < 0.5 or best <= success["random"] + slack:
        return "planner"
    blind, lost = best - success["learnt energy"] > slack, best - success["learnt dynamics"] > slack
    if lost and not readable:
        return "encoder"
    if blind or lost:
        return "encoder and model" if blind and lost else "encoder" if blind else "model"
    return "encoder and model together" if best - success["both learnt"] > slack else "nobody"


def _seer(suspects: Suspects) -> Callable[[Tensor], Tensor]:
    return lambda states: suspects.model.encode(suspects.world.observe(states))


def _roll(model: WorldModel, world: World, state: Tensor, see: Callable[[Tensor], Tensor], actions: Tensor) -> Tensor:
    latent, memory, truth = see(state), None, state
    for action in actions.split(1):
        latent, memory = model.step(latent, action, world.pose(truth), memory)
        truth = world.simulate(truth, action)
    return latent


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)
