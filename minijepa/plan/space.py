"""What may an action be? One ActionSpace a robot; this is the place to add yours.

A new robot is one function like ``franka`` or ``planar``: how wide an action is, which of its channels are searched and how far
they may go in one step, and how a pose follows from an action. Channels that no group names stay 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from minijepa.plan import pose

Number = float | int
Plans = Float[Tensor, "s horizon width"]
Steps = Float[Tensor, "horizon width"]


@dataclass(frozen=True)
class Group:
    """Describe channels of an action that are drawn, bounded and updated alike."""

    channels: tuple[int, ...]  # places in the action
    limit: Number  # most that one action may change them, in their unit; radius of the L1 ball
    std: Number  # of the first candidates, in their unit
    momentum_mean: Number = 0.15  # share of the old mean that an iteration of CEM keeps
    momentum_std: Number = 0.15  # share of the old std that it keeps
    dead_zone: Number = 0.0  # smaller answers become 0
    region: Literal["box", "l1_ball"] = "box"  # "box", the code: |a_i| <= limit; "l1_ball", the paper: sum |a_i| <= limit

    def clip(self, values: Float[Tensor, "*b k"]) -> Float[Tensor, "*b k"]:
        """Bring values into the region: clipped one by one to the box, shortened to the L1 ball."""
        if self.region == "box":
            return values.clamp(-self.limit, self.limit)
        return values * (self.limit / values.abs().sum(-1, keepdim=True).clamp(min=self.limit))


@dataclass(frozen=True)
class ActionSpace:
    """Describe the actions of a robot and what they do to its pose."""

    width: int  # channels of an action, and of a pose
    groups: tuple[Group, ...]
    advance: Callable[[Tensor, Tensor], Tensor]  # (pose (…, width), action (…, width)) -> next pose
    pins: tuple[
        tuple[int, Number, int], ...
    ] = ()  # (channel, value, from this step of the horizon on); gripper closes: (6, 1, 0)
    bounds: tuple[tuple[Number, ...], tuple[Number, ...]] | None = None  # lowest and highest pose of the workspace

    def row(self, name: str) -> Float[Tensor, "width"]:
        """Return a number of the groups, such as "std", for every channel; 0 where nothing is drawn."""
        values = torch.zeros(self.width)
        for group in self.groups:
            values[list(group.channels)] = float(getattr(group, name))
        return values

    def clip(self, actions: Float[Tensor, "*s horizon width"]) -> Float[Tensor, "*s horizon width"]:
        """Bring actions into the regions of their groups, then set what is pinned."""
        clipped = actions.clone()
        for group in self.groups:
            clipped[..., list(group.channels)] = group.clip(actions[..., list(group.channels)])
        for channel, value, start in self.pins:
            clipped[..., start:, channel] = value
        return clipped

    def start(self, horizon: int) -> tuple[Steps, Steps]:
        """Return mean and std of the first candidates: 0, or what is pinned, and the std of each group."""
        return self.clip(torch.zeros(horizon, self.width)), self.row("std").repeat(horizon, 1)

    def draw(self, mean: Steps, std: Steps, samples: int, generator: Generator) -> Plans:
        """Draw plans around a mean, with the released order of random numbers: one step of the horizon after the other."""
        channels = [channel for group in self.groups for channel in group.channels]
        noise = torch.zeros(samples, *mean.shape)
        for h in range(len(mean)):
            noise[:, h, channels] = torch.randn(samples, len(channels), generator=generator)
        return self.clip(noise * std + mean)

    def poses(self, start: Float[Tensor, "1 width"], actions: Plans) -> Float[Tensor, "s more width"]:
        """Return the horizon + 1 poses that each plan passes through, the start included."""
        return torch.stack(list(accumulate(actions.unbind(1), self.advance, initial=start.expand(len(actions), -1))), dim=1)

    def outside(self, poses: Float[Tensor, "*s width"]) -> Bool[Tensor, "*s"]:
        """Tell which poses lie outside the workspace."""
        low, high = poses.new_tensor(self.bounds or ((-torch.inf,), (torch.inf,)))
        return ((poses < low) | (poses > high)).any(-1)


def franka(hand: Group) -> ActionSpace:
    """Return the released action space of the arm: the hand's metres and the gripper are searched, the hand does not turn."""
    return ActionSpace(7, (hand, Group((6,), 0.75, 1.0, dead_zone=0.25)), pose.advance)


def planar(limit: Number, bounds: tuple[tuple[Number, ...], tuple[Number, ...]] | None = None) -> ActionSpace:
    """Return an action space for a point in the plane: a pose is x, y and an action is added to it."""
    return ActionSpace(2, (Group((0, 1), limit, limit),), torch.add, bounds=bounds)
