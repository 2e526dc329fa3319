"""Plan, act, look, plan again: receding horizon control through a list of sub-goals.

Implements the loop of arXiv 2506.09985 section 4: a goal picture, or several with fixed switching times, and one action a plan.
"""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from minijepa.plan.cem import Latent, NoPlan, Plan, PlanConfig, Pose, plan
from minijepa.plan.world import WorldModel

Outcome = Literal["reached", "steps used up", "no progress", "outside the workspace", "no plan"]


@runtime_checkable
class Robot(Protocol):
    """Ask two things of a robot or a simulator: look and move."""

    def observe(self) -> tuple[Tensor, Pose]:
        """Return a picture (1, …) that ``world_model.encode`` takes, and the pose."""

    def act(self, action: Float[Tensor, "width"]) -> None:
        """Do one action and return when it is done."""


class SubGoal(NamedTuple):
    """Name a goal, and when to leave it for the next one or to give up."""

    latent: Latent
    steps: int  # actions that it gets at most; pick and place in the paper: 4, 10 and 4
    reached: float = -1.0  # energy that counts as reached; below 0, only the steps decide
    patience: int = 1_000_000  # actions without a new lowest energy after which it counts as out of reach


class Decision(NamedTuple):
    """Keep what was known before one action, and the action."""

    sub_goal: int
    energy: float  # between what is seen and the sub-goal
    pose: Pose
    plan: Plan
    action: Float[Tensor, "width"]


class Episode(NamedTuple):
    """Hold how it ended and all decisions."""

    outcome: Outcome
    energy: float  # between what was seen last and the sub-goal of that time
    decisions: list[Decision]
    why: str = ""  # there is no plan


def control(world_model: WorldModel, robot: Robot, goals: list[SubGoal], config: PlanConfig, generator: Generator) -> Episode:
    """Drive a robot through sub-goals, planning anew after every ``config.execute`` actions.

    An action that would leave the workspace is recorded but not done; it ends the episode under that name.
    Raises ValueError without sub-goals, and for input that ``plan`` refuses.
    """
    if not goals or min(goal.steps for goal in goals) < 1:
        raise ValueError(f"expected sub-goals of at least 1 step each, got {[goal.steps for goal in goals]}")
    decisions: list[Decision] = []
    for index, goal in enumerate(goals):
        least, waited = torch.inf, 0
        for step in range(goal.steps):
            seen, pose, energy = _look(world_model, robot, goal, config)
            waited, least = 0 if energy < least else waited + 1, min(least, energy)
            if energy <= goal.reached:
                break
            if waited >= goal.patience:
                return Episode("no progress", energy, decisions)
            try:
                found = found if step % config.execute else plan(world_model, seen, pose, goal.latent, config, generator)
            except NoPlan as error:
                return Episode("no plan", energy, decisions, str(error))
            action = found.actions[step % config.execute]
            decisions.append(Decision(index, energy, pose, found, action))
            if config.space.outside(config.space.advance(pose, action[None])).any():
                return Episode("outside the workspace", energy, decisions)
            robot.act(action)
    energy = _look(world_model, robot, goals[-1], config)[2]
    return Episode("reached" if energy <= goals[-1].reached else "steps used up", energy, decisions)


def _look(world_model: WorldModel, robot: Robot, goal: SubGoal, config: PlanConfig) -> tuple[Tensor, Pose, float]:
    frames, pose = robot.observe()
    seen = world_model.encode(frames)
    return seen, pose, float(config.energy(seen, goal.latent))
