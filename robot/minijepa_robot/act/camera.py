"""Where does the camera stand? Read it from the actions that a world model believes in, and take the error back.

Implements the experiment of arXiv 2506.09985 (appendix on camera position): the hand walks at random in the plane of the
table; for every pair of pictures the planner tells which action led from one to the other; a least-squares W* brings those
actions to the true ones. The paper notes that W* could calibrate a robot; here it does.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from minijepa.plan import pose as poses
from minijepa.plan.cem import CEM, PlanConfig, plan
from minijepa.plan.space import ActionSpace, Group
from minijepa_robot.act.seeing import look
from minijepa_robot.learn.world import ArmWorld, Seen
from minijepa_robot.sim.behave import LONGEST
from minijepa_robot.sim.scene import WORKSPACE
from minijepa_robot.sim.simulation import Simulation

HEIGHT = 0.15  # m, at which the hand walks
SIDEWAYS = ActionSpace(7, (Group((0, 1), LONGEST, LONGEST),), poses.advance)  # x and y are searched, the rest is 0


class Calibration(NamedTuple):
    """Hold W* and what it says; inferred @ W* is nearest to the true moves."""

    matrix: Float[Tensor, "2 2"]
    angle: float  # degrees by which W* turns
    condition: float  # ratio of its singular values; 1 for a scaled rotation
    error: float  # m, mean |inferred - true| of a coordinate, before
    left: float  # m, the same after


def walk(simulation: Simulation, steps: int, generator: Generator) -> tuple[list[Seen], Float[Tensor, "steps 2"]]:
    """Let the hand walk at random over the table; return what was seen, one more than steps, and the true moves in m."""
    low, high = np.array(WORKSPACE)[:, :2]
    simulation.reset((*(low + high) / 2, HEIGHT, 0, 0, 0, 0))
    seen, places = [look(simulation)], [simulation.pose[:2]]
    for _ in range(steps):
        move = (2 * torch.rand(2, generator=generator) - 1).double().numpy() * LONGEST
        here = simulation.pose[:2]
        move = np.where((here + move < low) | (here + move > high), -move, move)
        simulation.act((*move, 0, 0, 0, 0, 0))
        seen.append(look(simulation))
        places.append(simulation.pose[:2])
    return seen, torch.from_numpy(np.diff(places, axis=0)).float()


def inferred_moves(world: ArmWorld, seen: list[Seen], generator: Generator) -> Float[Tensor, "steps 2"]:
    """Return the move in x and y (m) that the world model finds between every two neighbouring pictures."""
    config = PlanConfig(SIDEWAYS, CEM(64, 4, 8), distance=world.energy({"side": 1.0}), chunk=64)
    latents = [world.encode(one) for one in seen]
    pairs = zip(latents, latents[1:], seen)
    return torch.stack([plan(world, z, one.pose, after, config, generator).actions[0, :2] for z, after, one in pairs])


def calibrate(inferred: Float[Tensor, "n 2"], true: Float[Tensor, "n 2"]) -> Calibration:
    """Solve W* = argmin |inferred W - true|^2, and take its rotation from its singular vectors.

    Raises ValueError for fewer than three moves, or moves along one line only: then W* is not determined.
    """
    if len(inferred) < 3 or inferred.shape != true.shape or torch.linalg.matrix_rank(inferred, rtol=1e-3) < 2:
        raise ValueError(
            f"calibrate: expected at least 3 pairs of moves that span the plane, got {tuple(inferred.shape)} and "
            f"{tuple(true.shape)}; walk longer, and in both directions"
        )
    matrix = torch.linalg.lstsq(inferred.double(), true.double()).solution
    u, scales, v = torch.linalg.svd(matrix)
    turn = u @ v
    angle = float(torch.atan2(turn[0, 1], turn[0, 0]).rad2deg())
    error, left = ((some.double() - true).abs().mean() for some in (inferred, inferred.double() @ matrix))
    return Calibration(matrix.float(), angle, float(scales[0] / scales[1]), float(error), float(left))
