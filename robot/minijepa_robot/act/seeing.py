"""What the world models see of a simulation: both cameras, 64 px, and the measured pose."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa_robot.learn.world import Seen
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import Goal

VIEWS = ("side", "wrist")
SIZE = 64  # px, side of the pictures that the world models see


def as_tensor(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[Tensor, "1 3 H W"]:
    """Return a picture as the networks take it."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]


def look(simulation: Simulation) -> Seen:
    """Return what both cameras see now, and the measured pose."""
    views = {view: as_tensor(simulation.picture(view, SIZE)) for view in VIEWS}
    return Seen(views, torch.from_numpy(simulation.pose).float()[None])


def together(moments: Sequence[Seen]) -> Seen:
    """Return several moments as one batch."""
    views = {view: torch.cat([one.views[view] for one in moments]) for view in VIEWS}
    return Seen(views, torch.cat([one.pose for one in moments]))


def goal_seen(goal: Goal) -> Seen:
    """Return a goal as the world model encodes it: its pictures, and of its pose only what the gripper measured."""
    pose = torch.zeros(1, 7)
    pose[0, 6] = float(goal.pose[6])
    return Seen({view: as_tensor(goal.pictures[view]) for view in VIEWS}, pose)
