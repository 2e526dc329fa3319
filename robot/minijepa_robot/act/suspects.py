"""Put the simulated arm before ``minijepa.study.fault``: which part fails, the encoder, the model or the planner?

    python -m minijepa_robot.act.suspects --model data_samples/checkpoints/arm/joint.safetensors

reaches with true or learnt dynamics and true or learnt energy, and writes two tables into data_samples/runs/arm.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Generator, Tensor

from minijepa.study.fault import Diagnosis, Suspects, find_fault
from minijepa.study.fault import planner as as_planner
from minijepa.study.landscape import linear_locator
from minijepa.train.run import write_table
from minijepa_robot.act.evaluate import open_world
from minijepa_robot.act.play import planner
from minijepa_robot.act.seeing import look, together
from minijepa_robot.learn.world import ArmWorld, Seen
from minijepa_robot.sim.behave import LONGEST
from minijepa_robot.sim.simulation import Simulation, State
from minijepa_robot.sim.tasks import draw_tasks

PLACES = 300  # pictures of known places that the read-out is fitted on
COMMAND, JOINTS = 7, 7  # numbers of a state that are not physics


@dataclass(frozen=True)
class Diagnose:
    """Choose a model and how many episodes."""

    model: Path
    name: str = "joint"
    seed: int = 0  # of the model, in the file's name, and of all random numbers
    episodes: int = 12
    steps: int = 10  # actions an episode
    samples: int = 32  # of each of 3 iterations: true dynamics are simulated for each
    folder: Path = Path("data_samples/runs/arm")


class ArmUnderTest:
    """Give one simulation the interface of ``study.fault.World``; a state is the hand's place (m), then all of the physics."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def here(self) -> Float[Tensor, "1 state"]:
        """Return the state of now."""
        state = self.simulation.state()
        numbers = np.concatenate((self.simulation.pose[:3], state.physics, state.command, state.joints))
        return torch.from_numpy(numbers)[None]

    def go(self, state: Float[Tensor, "state"]) -> None:
        """Bring the simulation to a state."""
        numbers = state.double().numpy()[3:]
        physics, command, joints = np.split(numbers, (len(numbers) - COMMAND - JOINTS, len(numbers) - JOINTS))
        self.simulation.restore(State(physics, command, joints))

    def simulate(self, state: Float[Tensor, "s state"], action: Float[Tensor, "s 7"]) -> Float[Tensor, "s state"]:
        """Do each action from its state."""
        after = []
        for one, change in zip(state, action):
            self.go(one)
            self.simulation.act(change.double().numpy())
            after.append(self.here())
        return torch.cat(after)

    def observe(self, state: Float[Tensor, "s state"]) -> Seen:
        """Return what the cameras see in each state."""
        parts = []
        for one in state:
            self.go(one)
            parts.append(look(self.simulation))
        return together(parts)

    def pose(self, state: Float[Tensor, "s state"]) -> Float[Tensor, "s 7"]:
        """Return the measured poses."""
        poses = []
        for one in state:
            self.go(one)
            poses.append(torch.from_numpy(self.simulation.pose).float())
        return torch.stack(poses)

    def distance(self, state: Float[Tensor, "s state"], goal: Float[Tensor, "g state"]) -> Float[Tensor, "s"]:
        """Return how far the hand is from the goal's, in m."""
        return (state[:, :3] - goal[:, :3]).norm(dim=1).float()


def guess(count: int, generator: Generator) -> Float[Tensor, "count 7"]:
    """Draw actions that move the hand anywhere within one step."""
    moves = (2 * torch.rand(count, 3, generator=generator) - 1) * LONGEST
    return torch.cat((moves, torch.zeros(count, 4)), 1)


def diagnose(settings: Diagnose) -> list[Diagnosis]:
    """Run all arms on reaching tasks, each in a scene of its own, and write what was found."""
    world, found = open_world(settings.model), []
    for k, task in enumerate(draw_tasks("reach", settings.episodes, "test", seed=1, size=64)):
        with Simulation(task.scene, size=64) as simulation:
            arm = ArmUnderTest(simulation)
            simulation.reset(task.goal.pose, task.layout.objects)
            goal = arm.here()
            simulation.reset(*task.layout)
            suspects = suspicious(arm, world, settings.samples, settings.seed + k)
            found.append(find_fault(suspects, arm.here(), goal, settings.steps, 0.04, settings.seed + k))
        write(settings, found)
    return found


def suspicious(arm: ArmUnderTest, world: ArmWorld, samples: int, seed: int) -> Suspects:
    """Name the parts; the read-out of the hand's place is fitted on places of the same scene."""
    generator, start, states = Generator().manual_seed(seed), arm.here(), []
    for _ in range(PLACES // 10):
        state = start
        for action in guess(10, generator).split(1):
            state = arm.simulate(state, action)
            states.append(state)
    known = torch.cat(states)
    locate = linear_locator(world.encode(arm.observe(known)), known)
    arm.go(start[0])
    return Suspects(arm, world, as_planner(planner(samples)), world.energy({"side": 1.0}), locate, guess)


def write(settings: Diagnose, found: list[Diagnosis]) -> None:
    """Write the ends of all episodes, and how well energy ranks what an action does."""
    name = f"{settings.name}_s{settings.seed}.csv"
    episodes = [row | {"task": k} for k, one in enumerate(found) for row in one.episodes]
    ranks = [row | {"task": k} for k, one in enumerate(found) for row in one.ranks]
    write_table(settings.folder / f"fault_{name}", episodes)
    write_table(settings.folder / f"ranks_{name}", ranks)


if __name__ == "__main__":
    torch.set_num_threads(1)
    diagnose(tyro.cli(Diagnose))
