"""Act in the plane of ``data.toy_reach``, one way or another, and count how often the goal is reached."""

import time
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from minijepa.data.toy_reach import ReachWorld, Tasks, advance, random_actions
from minijepa.data.toy_reach_draw import Scene, draw
from minijepa.intervals import share
from minijepa.plan.cem import CEM, PlanConfig
from minijepa.plan.control import SubGoal, control
from minijepa.plan.space import ActionSpace, Group
from minijepa.plan.world import WorldModel
from minijepa.study.track import Row

Arm = Literal["plan", "restless", "plan2", "plan2_last", "random"]


class ReachRobot:
    """Stand in one world of the plane: look and move, as ``plan.control.Robot`` asks."""

    def __init__(self, world: ReachWorld, scene: Scene, state: Float[Tensor, "1 2"], generator: torch.Generator) -> None:
        self.world, self.scene, self.generator = world, scene, generator
        self.track = [state]

    def observe(self) -> tuple[UInt8[Tensor, "1 3 H W"], Float[Tensor, "1 2"]]:
        """Return the picture of this moment, and where the agent is."""
        state, moment = self.track[-1], len(self.track) - 1
        image = draw(self.world.look, self.scene, state[:, None], self.world.radius, self.generator, first=moment)
        return image[:, :, 0], state

    def act(self, action: Float[Tensor, "2"]) -> None:
        """Take a step."""
        self.track.append(advance(self.world, self.scene, self.track[-1], action[None]))


class Played(NamedTuple):
    """Hold what became of the episodes."""

    distances: Float[Tensor, "episodes moments"]  # to the goal; the first is that of the start
    seconds: float  # CPU time of an action, look and plan


def plane_space(world: ReachWorld) -> ActionSpace:
    """Return the actions of the plane; poses stay in the box, walls are not known to the planner."""

    def move(pose: Tensor, action: Tensor) -> Tensor:
        return (pose + action).clamp(-world.reach, world.reach)

    return ActionSpace(2, (Group((0, 1), world.step, world.step),), move)


def planner(horizon: int = 1, when: Literal["last", "sum"] = "sum", method: CEM = CEM(48, 2, 6)) -> PlanConfig:  # noqa: B008
    """Return the planner of the plane: the cross-entropy method, 2 iterations of 48 samples, squared distances."""
    return PlanConfig(plane_space(ReachWorld()), method, horizon, "l2", when, chunk=48)


ARMS: dict[str, PlanConfig | None] = {
    "plan": planner(),  # one action ahead
    "restless": planner(method=CEM(16, 1, 2)),  # so few samples that it does not stand still in front of a wall
    "plan2": planner(2),  # two, energies of both added
    "plan2_last": planner(2, "last"),  # two, energy of the second
    "random": None,  # the random policy
}


def play(
    config: PlanConfig | None, world: ReachWorld, given: Tasks, model: WorldModel, seed: int, moments: int | None = None
) -> Played:
    """Play every task for as many actions as it has time, with a planner or (None) with the random policy.

    seed: of planner, policy and camera noise; episode k draws from a generator of its own.
    moments: actions an episode; None: all that the scene has.
    """
    moments = moments or given.scene.place.shape[1] - 2
    tracks, start = [], time.process_time()
    for k in range(len(given.start)):
        generator = torch.Generator().manual_seed(1_000_003 * seed + k)
        robot = ReachRobot(world, given.scene.rows(slice(k, k + 1)), given.start[k : k + 1], generator)
        if config is None:
            for action in random_actions(world, 1, moments, generator)[0]:
                robot.act(action)
        else:
            goal = SubGoal(model.encode(given.goal_image[k : k + 1]), moments)
            control(model, robot, [goal], config, generator)
        tracks.append(torch.cat(robot.track))
    distances = (torch.stack(tracks) - given.goal[:, None]).norm(dim=-1)
    return Played(distances, (time.process_time() - start) / (len(tracks) * moments))


def summary(played: Played, tolerance: float) -> Row:
    """Count successes: at the end the agent is within the tolerance of the goal, whatever it was before."""
    end = played.distances[:, -1]
    reached, count = int((end <= tolerance).sum()), len(end)
    counted: Row = {"episodes": count, "reached": reached} | share(reached, count)
    return counted | {
        "ever": round((played.distances <= tolerance).any(1).float().mean().item(), 3),
        "median_distance": round(end.median().item(), 3),
        "tolerance": tolerance,
        "seconds_an_action": round(played.seconds, 4),
    }
