"""Draw how a toy clip begins: places, headings, speeds, sizes, colours, bars.

Everything comes from whole random numbers and +, -, *, / on float64, without libm: every machine gets the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from minijepa.data.toy_motion import Bodies, Track, gap
from minijepa.data.toy_world import SHAPES, World

_DIAGONAL = 0.7071067811865476
# Direction k points 45k degrees from right towards down: 0 right, 2 down, 4 left, 6 up.
COMPASS = (
    (1.0, 0.0), (_DIAGONAL, _DIAGONAL), (0.0, 1.0), (-_DIAGONAL, _DIAGONAL),
    (-1.0, 0.0), (-_DIAGONAL, -_DIAGONAL), (0.0, -1.0), (_DIAGONAL, -_DIAGONAL),
)  # fmt: skip
COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta")
REACH = (1.0, 0.8862269254527580, 1.2533141373155003)  # radii from the centre to the edge of a disc, square, diamond
_TAN_HALF_JITTER = 0.07870170682461845  # tan(4.5 degrees): headings lie within 9 degrees of their class
_PLACES = 8  # start positions tried for an object that would touch another


@dataclass(frozen=True)
class Start:
    """Hold everything that is drawn about a clip before it moves."""

    bodies: Bodies
    shape: Int64[Tensor, "b o"]
    colour: UInt8[Tensor, "b o 3"]
    bar: Float64[Tensor, "b 3"]  # axis, centre px, width px
    direction: Int64[Tensor, " b"]  # of the lead
    speed: Int64[Tensor, " b"]
    tint: Int64[Tensor, " b"]  # index into COLOURS, of whatever isn't white


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float64[Tensor, "..."]:
    """Draw numbers in [0, 1) from whole numbers, the same on every machine."""
    return torch.randint(0, 2**30, shape, generator=generator).double() / 2**30


def headings(direction: Int64[Tensor, "..."], generator: torch.Generator) -> Float64[Tensor, "... 2"]:
    """Draw unit vectors within 9 degrees of their class; the half-angle form needs no sine or cosine."""
    t = (2 * uniform(direction.shape, generator) - 1) * _TAN_HALF_JITTER
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    x, y = torch.tensor(COMPASS, dtype=torch.float64)[direction].unbind(-1)
    return torch.stack([x * cos - y * sin, x * sin + y * cos], -1)


def nearest_heading(velocity: Float64[Tensor, "... 2"]) -> Int64[Tensor, "..."]:
    """Return the direction of the compass that is nearest to a velocity."""
    return (velocity @ torch.tensor(COMPASS, dtype=torch.float64).T).argmax(-1)


def start(world: World, clips: int, tries: int, generator: torch.Generator) -> Start:
    """Draw `tries` first frames for each of `clips` clips; the tries of a clip share speed, gravity and object count."""
    count = clips * tries
    motion, (fewest, most) = world.motion, world.objects
    direction = torch.randint(0, len(COMPASS), (count, most), generator=generator)
    speed = torch.randint(0, len(motion.speeds), (clips,), generator=generator).repeat_interleave(tries)
    shape = torch.randint(0, len(SHAPES), (count, most), generator=generator)
    spread = 1 + motion.speed_spread * (2 * uniform((count, 1), generator) - 1)
    pace = torch.tensor(motion.speeds, dtype=torch.float64)[speed][:, None] * spread
    velocity = headings(direction, generator) * pace[..., None]
    low, high = torch.tensor([world.radius] + [world.others] * (most - 1), dtype=torch.float64).T
    radius = low + (high - low) * uniform((count, most), generator)
    place = uniform((count, most, 2), generator)
    colour, tint = _colours(count, most, world, generator)
    bar = _bar(world, count, generator)
    box = room = _box(world, radius, shape)
    if motion.bar != "none":
        room = _beside_bar(world, box, bar, generator)
    many = torch.full((clips, 1), fewest)
    if most > fewest:
        many = torch.randint(fewest, most + 1, (clips, 1), generator=generator)
    active = torch.arange(most) < many.repeat_interleave(tries, 0)
    gravity = torch.full((clips, 1), motion.gravity, dtype=torch.float64)
    if motion.gravity and world.events != "always":
        gravity = gravity * torch.randint(0, 2, (clips, 1), generator=generator)
    bodies = Bodies(place, velocity, radius, active, gravity.repeat_interleave(tries, 0), room)
    bodies = _placed(bodies, world, generator)
    if motion.bar == "occluder":
        bodies = replace(bodies, bounds=box)
    return Start(bodies, shape, colour, bar, direction[:, 0], speed, tint)


def select(begin: Start, index: Int64[Tensor, " k"]) -> Start:
    """Keep the clips with the given indices."""
    bodies = {f.name: getattr(begin.bodies, f.name) for f in fields(Bodies)}
    kept = Bodies(**{name: v[:, index] if name == "bounds" else v[index] for name, v in bodies.items()})
    rest = {f.name: getattr(begin, f.name)[index] for f in fields(Start) if f.name != "bodies"}
    return Start(kept, **rest)


def hidden(begin: Start, track: Track) -> Bool[Tensor, "b f"]:
    """Tell in which frames the bar covers the lead entirely."""
    reach = torch.tensor(REACH, dtype=torch.float64)[begin.shape[:, :1]] * begin.bodies.radius[:, :1]
    along = torch.where(begin.bar[:, None, 0] == 0, track.position[:, :, 0, 0], track.position[:, :, 0, 1])
    return (along - begin.bar[:, None, 1]).abs() + reach <= begin.bar[:, None, 2] / 2


def _placed(bodies: Bodies, world: World, generator: torch.Generator) -> Bodies:
    """Turn fractions into start positions inside the bounds; where objects collide, none starts inside another."""
    low, high = bodies.bounds if world.motion.edges == "walls" else (0.0, float(world.size))
    position = low + (high - low) * bodies.position
    if not world.motion.collisions:
        return replace(bodies, position=position)
    for i in range(1, position.shape[1]):
        tries = uniform((_PLACES, len(position), 2), generator)
        for fraction in tries:
            apart = torch.stack([gap(position[:, i], position[:, j], world) for j in range(i)], 1)
            reach = (bodies.radius[:, :i] + bodies.radius[:, i, None]) * 1.2
            crowded = ((apart[..., 0] * apart[..., 0] + apart[..., 1] * apart[..., 1]) < reach * reach).any(1)
            again = fraction * world.size
            if world.motion.edges == "walls":
                again = low[:, i] + (high[:, i] - low[:, i]) * fraction
            position[:, i] = torch.where(crowded[:, None], again, position[:, i])
    return replace(bodies, position=position)


def _bar(world: World, count: int, generator: torch.Generator) -> Float64[Tensor, "b 3"]:
    """Draw a vertical or horizontal bar near the middle, or put a vertical one there; width 0 stands for none."""
    if world.motion.bar == "none":
        return torch.zeros(count, 3, dtype=torch.float64)
    axis = torch.randint(0, 2, (count,), generator=generator).double()
    centre = world.size * (0.5 + 0.15 * (2 * uniform((count,), generator) - 1))
    if world.motion.bar_place == "middle":
        axis, centre = torch.zeros_like(axis), torch.full_like(centre, world.size / 2)
    return torch.stack([axis, centre, torch.full_like(centre, world.motion.bar_width)], 1)


def _box(world: World, radius: Float64[Tensor, "b o"], shape: Int64[Tensor, "b o"]) -> Float64[Tensor, "2 b o 2"]:
    """Compute where centres may be between four walls, so that no tip of a shape leaves the picture."""
    low = (torch.tensor(REACH, dtype=torch.float64)[shape] * radius)[..., None].expand(-1, -1, 2)
    return torch.stack([low, world.size - low])


def _beside_bar(
    world: World, box: Float64[Tensor, "2 b o 2"], bar: Float64[Tensor, "b 3"], generator: torch.Generator
) -> Float64[Tensor, "2 b o 2"]:
    """Narrow the box to one side of the bar, chosen by a coin: clear of a solid bar, half in sight beside another."""
    (low, high), solid = box, world.motion.bar == "solid"
    after = torch.randint(0, 2, low.shape[:2], generator=generator).bool()
    reach = low[..., 0] if solid else torch.zeros_like(low[..., 0])
    across = bar[:, None, :1] == torch.arange(2)  # (b, 1, 2): the axis that the bar cuts
    edge = (bar[:, 1:2] + torch.where(after, 1, -1) * (bar[:, 2:] / 2 + reach))[..., None]
    low = torch.where(across & after[..., None], edge, low)
    high = torch.where(across & ~after[..., None], edge, high)
    return torch.stack([low, high])


def _colours(
    count: int, objects: int, world: World, generator: torch.Generator
) -> tuple[UInt8[Tensor, "b o 3"], Int64[Tensor, " b"]]:
    """Draw a saturated colour near one of six for all objects but the lead, which is white unless the world says so."""
    hue = torch.randint(0, 1530, (count, objects, 1), generator=generator)[:, min(1, objects - 1)]
    tint = torch.div(hue, 255, rounding_mode="floor")
    hue = tint * 255 + torch.div((hue - tint * 255 - 127) * 2, 5, rounding_mode="floor")  # within 51 of the class
    ramp = torch.remainder(hue - torch.tensor([0, 510, 1020]) + 765, 1530) - 765
    colour = (510 - ramp.abs()).clamp(0, 255).to(torch.uint8)[:, None].repeat(1, objects, 1)
    if world.look.hue == "white":
        colour[:, 0] = 255
    return colour, tint[:, 0]
