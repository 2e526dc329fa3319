"""Move toy objects: free flight, walls, collisions, and where everything is in every frame.

Only +, -, *, / on float64, in a fixed order: every machine gets the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from minijepa.data.toy_world import World

_SUBSTEPS = 3  # a frame, so that two objects come at most 1.6 px closer between two looks for a collision


@dataclass(frozen=True)
class Bodies:
    """Hold the objects of a batch at one moment."""

    position: Float64[Tensor, "b o 2"]  # px
    velocity: Float64[Tensor, "b o 2"]  # px a frame
    radius: Float64[Tensor, "b o"]  # px
    active: Bool[Tensor, "b o"]  # False: this clip has fewer objects
    gravity: Float64[Tensor, "b 1"]  # px a frame a frame, along +y
    bounds: Float64[Tensor, "2 b o 2"]  # px, least and greatest position of the centre


@dataclass(frozen=True)
class Track:
    """Hold what happened in every frame: where and how fast things were, which were there, what they hit on the way."""

    position: Float64[Tensor, "b f o 2"]
    velocity: Float64[Tensor, "b f o 2"]
    active: Bool[Tensor, "b f o"]
    bounced: Bool[Tensor, "b f"]  # the lead hit a wall or a solid bar since the frame before
    collided: Bool[Tensor, "b f"]  # two objects hit each other since the frame before


def roll(bodies: Bodies, world: World, meddle: Callable[[int, Bodies], Bodies] | None = None) -> Track:
    """Move objects through all frames of a clip.

    Args: `meddle(frame, bodies)` may change the bodies before they move on to `frame`; that is how laws are broken.
    """
    idle = torch.zeros_like(bodies.active[:, 0])
    moments = [(bodies.position, bodies.velocity, bodies.active, idle, idle)]
    for frame in range(1, world.frames):
        if meddle is not None:
            bodies = meddle(frame, bodies)
        bodies, bounced, collided = step(bodies, world)
        moments.append((bodies.position, bodies.velocity, bodies.active, bounced[:, 0], collided))
    return Track(*(torch.stack(parts, 1) for parts in zip(*moments)))


def step(bodies: Bodies, world: World) -> tuple[Bodies, Bool[Tensor, "b o"], Bool[Tensor, " b"]]:
    """Move all objects by one frame; return them, who bounced off a wall, and where two objects collided."""
    bounced = torch.zeros_like(bodies.active)
    collided = bounced[:, 0]
    # free flight is a parabola and a mirror is exact without gravity: only the rest needs small steps
    parts = _SUBSTEPS if world.motion.collisions or world.motion.gravity else 1
    for _ in range(parts):
        bodies = _fly(bodies, 1 / parts)
        if world.motion.edges == "walls":
            bodies, hit = _bounce(bodies, world)
            bounced = bounced | hit
        else:
            bodies = replace(bodies, position=torch.remainder(bodies.position, world.size))
        if world.motion.collisions:
            bodies, hit = _collide(bodies, world)
            collided = collided | hit
    return bodies, bounced, collided


def _fly(bodies: Bodies, time: float) -> Bodies:
    """Move along a parabola: x + v t + g t^2 / 2."""
    fall = torch.stack([torch.zeros_like(bodies.gravity), bodies.gravity], -1)
    position = bodies.position + bodies.velocity * time + fall * (time * time / 2)
    return replace(bodies, position=position, velocity=bodies.velocity + fall * time)


def _bounce(bodies: Bodies, world: World) -> tuple[Bodies, Bool[Tensor, "b o"]]:
    """Mirror position and velocity at the bounds; where a solid bar stands, only a hit on the bar is reported."""
    low, high = bodies.bounds
    under = (bodies.position < low) & (bodies.velocity < 0)
    over = (bodies.position > high) & (bodies.velocity > 0)
    mirror = torch.where(under, low, high)
    mirrored = torch.minimum(torch.maximum(2 * mirror - bodies.position, low), high)  # narrow rooms: stop at the far side
    position = torch.where(under | over, mirrored, bodies.position)
    velocity = torch.where(under | over, -bodies.velocity, bodies.velocity)
    if world.motion.bar == "solid":
        margin = low - (world.size - high)  # the bar is on the side that leaves more room outside
        under, over = under & (margin > 1), over & (margin < -1)
    return replace(bodies, position=position, velocity=velocity), (under | over).any(-1) & bodies.active


def _collide(bodies: Bodies, world: World) -> tuple[Bodies, Bool[Tensor, " b"]]:
    """Exchange momentum between discs that touch and approach: dv = -2 m' / (m + m') (v.x / x.x) x, mass = r^2."""
    # one contiguous row an object and axis: strided views would be five times slower here
    x, y = (list(axis.T.contiguous()) for axis in bodies.position.unbind(-1))
    u, v = (list(axis.T.contiguous()) for axis in bodies.velocity.unbind(-1))
    radius, active = list(bodies.radius.T.contiguous()), list(bodies.active.T.contiguous())
    hit = torch.zeros_like(active[0])
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            dx, dy, reach = gap(x[i], x[j], world), gap(y[i], y[j], world), radius[i] + radius[j]
            square, closing = dx * dx + dy * dy, (u[i] - u[j]) * dx + (v[i] - v[j]) * dy
            touch = (square < reach * reach) & (closing < 0) & active[i] & active[j]
            heavy, light = radius[i] * radius[i], radius[j] * radius[j]
            push = torch.where(touch, 2 * closing / (square.clamp(min=1e-6) * (heavy + light)), 0.0)
            u[i], v[i] = u[i] - light * push * dx, v[i] - light * push * dy
            u[j], v[j] = u[j] + heavy * push * dx, v[j] + heavy * push * dy
            hit = hit | touch
    velocity = torch.stack([torch.stack(u, 1), torch.stack(v, 1)], -1)
    return replace(bodies, velocity=velocity), hit


def gap(one: Float64[Tensor, "..."], other: Float64[Tensor, "..."], world: World) -> Float64[Tensor, "..."]:
    """Compute one - other along an axis, the short way round on a torus."""
    if world.motion.edges == "walls":
        return one - other
    return torch.remainder(one - other + world.size / 2, world.size) - world.size / 2
