"""Move toy objects: where they start, how fast they go, and where they are in every frame."""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from minijepa.data.toy_world import SHAPES, State, World

_DIAGONAL = 0.7071067811865476
# Direction k points 45k degrees from right towards down: 0 right, 2 down, 4 left, 6 up.
COMPASS = (
    (1.0, 0.0), (_DIAGONAL, _DIAGONAL), (0.0, 1.0), (-_DIAGONAL, _DIAGONAL),
    (-1.0, 0.0), (-_DIAGONAL, -_DIAGONAL), (0.0, -1.0), (_DIAGONAL, -_DIAGONAL),
)  # fmt: skip
_TAN_HALF_JITTER = 0.07870170682461845  # tan(4.5 degrees): headings lie within 9 degrees of their class


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float64[Tensor, "..."]:
    """Draw numbers in [0, 1) from whole numbers, the same on every machine."""
    return torch.randint(0, 2**30, shape, generator=generator).double() / 2**30


def headings(direction: Int64[Tensor, "..."], generator: torch.Generator) -> Float64[Tensor, "... 2"]:
    """Draw unit vectors within 9 degrees of their class; the half-angle form needs no sine or cosine."""
    t = (2 * uniform(direction.shape, generator) - 1) * _TAN_HALF_JITTER
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    x, y = torch.tensor(COMPASS, dtype=torch.float64)[direction].unbind(-1)
    return torch.stack([x * cos - y * sin, x * sin + y * cos], -1)


def simulate(world: World, count: int, generator: torch.Generator) -> tuple[State, dict[str, Int64[Tensor, " b"]]]:
    """Draw the first frame of every clip and move the objects through all frames."""
    motion, objects = world.motion, world.objects[1]
    direction = torch.randint(0, len(COMPASS), (count, objects), generator=generator)
    speed = torch.randint(0, len(motion.speeds), (count,), generator=generator)
    shape = torch.randint(0, len(SHAPES), (count, objects), generator=generator)
    spread = 1 + motion.speed_spread * (2 * uniform((count, 1), generator) - 1)
    pace = torch.tensor(motion.speeds, dtype=torch.float64)[speed][:, None] * spread
    velocity = headings(direction, generator) * pace[..., None]
    low, high = world.radius
    radius = low + (high - low) * uniform((count, objects), generator)
    start = world.size * uniform((count, objects, 2), generator)
    times = torch.arange(world.frames, dtype=torch.float64)[:, None, None]
    position = torch.remainder(start[:, None] + velocity[:, None] * times, world.size)
    per_frame = (count, world.frames, objects)
    colour = _colours(count, objects, world, generator)
    state = State(
        position,
        velocity[:, None].expand(*per_frame, 2).contiguous(),
        radius,
        shape[:, None].expand(per_frame).contiguous(),
        colour[:, None].expand(*per_frame, 3).contiguous(),
        torch.ones(per_frame, dtype=torch.bool),
    )
    return state, {"direction": direction[:, 0], "speed": speed, "shape": shape[:, 0]}


def _colours(count: int, objects: int, world: World, generator: torch.Generator) -> UInt8[Tensor, "b o 3"]:
    """Draw saturated colours; the lead stays white unless the world colours it."""
    hue = torch.randint(0, 1530, (count, objects, 1), generator=generator)
    ramp = torch.remainder(hue - torch.tensor([0, 510, 1020]) + 765, 1530) - 765
    colour = (510 - ramp.abs()).clamp(0, 255).to(torch.uint8)
    if world.look.hue == "white":
        colour[:, 0] = 255
    return colour
