"""Draw toy worlds: shapes, texture and noise, byte for byte the same on every machine.

Everything random is drawn on the CPU as integers, geometry is plain float64 arithmetic without libm, and pixels are
int16, so that no rounding depends on the machine.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int16, Int64, UInt8
from torch import Tensor

from minijepa.data.toy_start import uniform
from minijepa.data.toy_world import State, World

COVER = 64  # a pixel inside a shape has coverage 64, so coverage * brightness fits in int16
LATTICE = 8  # the background texture has 8x8 random colours
CHUNK_BYTES = 3 << 19  # pixels drawn at a time on the CPU: the int16 work stays near the cache
OUTSIDE = 8000  # a profile that leaves no coverage, whatever the other one is
HALF_SIDE = 0.8862269254527580  # sqrt(pi) / 2: half the side of a square with the area of the unit disc
SLATE, BRICK = (24, 30, 48), (190, 84, 40)
Layer = tuple[Int16[Tensor, "b f o W"], Int16[Tensor, "b f o H"], Int16[Tensor, "b 3 f 1 1"]]
_NIBBLES = 0x0F0F0F0F0F0F0F0F


def draw(state: State, world: World, generator: torch.Generator, device: torch.device) -> UInt8[Tensor, "b 3 f H W"]:
    """Draw a batch of clips from their state.

    From back to front: texture, distractors, solid bar, objects, lead, occluder; noise over everything.
    """
    count, frames, size = len(state.position), world.frames, world.size
    background = _texture(count, world, generator).to(device)
    bar, objects = _bar_layers(state, world), _object_layers(state, world)
    objects = [*bar, *objects] if world.motion.bar == "solid" else [*objects, *bar]
    layers = [*_distractor_layers(count, world, generator), *objects]
    layers = [tuple(part.to(device) for part in layer) for layer in layers]
    video = torch.empty(count, 3, frames, size, size, dtype=torch.uint8, device=device)
    pace = count if device.type != "cpu" else max(1, CHUNK_BYTES // video[0].numel())
    for first in range(0, count, pace):
        part = slice(first, first + pace)
        image = background[part, :, None].expand(-1, -1, frames, -1, -1)
        for columns, rows, ink in layers:
            image = _paint(image, columns[part], rows[part], ink[part])
        if world.look.noise > 0:
            image = image + _noise(image.shape, world.look.noise, generator).to(device)
        video[part] = image.clamp(0, 255).to(torch.uint8)
    return video


def _paint(image: Tensor, columns: Tensor, rows: Tensor, ink: Tensor) -> Int16[Tensor, "b 3 f H W"]:
    """Lay shapes of one ink over the image; the coverage of each is its column + row profile, cut to 0..64."""
    cover = (columns[:, :, 0, None, :] + rows[:, :, 0, :, None]).clamp_(0, COVER)
    for index in range(1, columns.shape[2]):
        other = columns[:, :, index, None, :] + rows[:, :, index, :, None]
        cover = torch.maximum(cover, other.clamp_(max=COVER))
    return ((ink - image) * cover[:, None]).add_(COVER // 2).bitwise_right_shift_(6).add_(image)


def _object_layers(state: State, world: World) -> list[Layer]:
    """Turn objects into two layers: all but the lead, which share one ink in a clip, and the lead."""
    radius, wrap = state.radius[:, None].expand_as(state.shape), world.motion.edges == "torus"
    columns, rows = _profiles(state.position, radius, state.shape, world.size, wrap)
    columns = torch.where(state.visible[..., None], columns, -OUTSIDE)
    ink = state.colour.to(torch.int16).permute(2, 0, 3, 1)[..., None, None]  # (o, b, 3, f, 1, 1)
    lead = (columns[:, :, :1], rows[:, :, :1], ink[0])
    return [(columns[:, :, 1:], rows[:, :, 1:], ink[1]), lead] if len(ink) > 1 else [lead]


def _distractor_layers(count: int, world: World, generator: torch.Generator) -> list[Layer]:
    """Draw discs that carry no label: some drift evenly on a torus, some flicker, new in every frame."""
    drifting, flickering = {"none": (0, 0), "weak": (0, 2), "strong": (2, 4)}[world.look.distractors]
    frames, scale, layers = world.frames, world.size / 32, []
    for discs, fresh in ((drifting, 1), (flickering, frames)):
        if discs:
            place = world.size * uniform((count, fresh, discs, 2), generator)
            radius = (2 + 2 * uniform((count, fresh, discs), generator)).expand(-1, frames, -1) * scale
            ink = torch.randint(20, 200, (count, 3, fresh, 1, 1), generator=generator).to(torch.int16)
            if fresh == 1:
                velocity = (2 * uniform((count, 1, discs, 2), generator) - 1) * 2.5 * scale
                place = place + velocity * torch.arange(frames, dtype=torch.float64)[:, None, None]
                place = torch.remainder(place, world.size)
            columns, rows = _profiles(place, radius, torch.zeros_like(radius, dtype=torch.int64), world.size, True)
            layers.append((columns, rows, ink.expand(-1, -1, frames, -1, -1)))
    return layers


def _bar_layers(state: State, world: World) -> list[Layer]:
    """Draw the bar: slate for one that things pass behind, brick for one that they bounce off."""
    if world.motion.bar == "none":
        return []
    centres = torch.arange(world.size, dtype=torch.float64) + 0.5
    ramp = 0.5 + state.bar[:, 2:] / 2 - (centres - state.bar[:, 1:2]).abs()
    ramp = (COVER * ramp).round().clamp(0, COVER).to(torch.int16)[:, None, None].expand(-1, world.frames, -1, -1)
    upright = (state.bar[:, 0] == 0)[:, None, None, None]
    colour = torch.tensor(SLATE if world.motion.bar == "occluder" else BRICK, dtype=torch.int16)
    ink = colour.view(1, 3, 1, 1, 1).expand(len(ramp), -1, world.frames, -1, -1)
    return [(torch.where(upright, ramp, 0), torch.where(upright, 0, ramp), ink)]


def _profiles(
    position: Float64[Tensor, "b f o 2"], radius: Float64[Tensor, "b f o"], shape: Int64[Tensor, "b f o"], size: int, wrap: bool
) -> tuple[Int16[Tensor, "b f o W"], Int16[Tensor, "b f o H"]]:
    """Split every shape into a profile over columns and one over rows, whose sum is its coverage.

    A disc is r^2 - x^2 - y^2, a diamond r - |x| - |y|, a square min(0, r - |x|) + min(0, r - |y|), each divided by
    its slope at the border so that one unit is one pixel. Equal radius means equal area for all three.
    """
    centres = torch.arange(size, dtype=torch.float32) + 0.5
    distance = (centres - position.float()[..., None]).abs_()  # (b, f, o, 2, size)
    if wrap:
        distance = torch.minimum(distance, size - distance)
    radius, shape = radius.float()[..., None, None], shape[..., None, None]
    disc = (0.25 + radius / 4) - distance * distance / (2 * radius)
    square = (HALF_SIDE * radius - distance - 0.5).clamp(max=0) + 0.5
    diamond = (0.25 + HALF_SIDE / 2 * radius) - distance * 0.7071067811865476
    profile = torch.where(shape == 0, disc, torch.where(shape == 1, square, diamond))
    profile = (COVER * profile).round().clamp(-OUTSIDE, OUTSIDE).to(torch.int16)
    return profile[..., 0, :], profile[..., 1, :]


def _texture(count: int, world: World, generator: torch.Generator) -> Int16[Tensor, "b 3 H W"]:
    """Draw a smooth static colour texture: a random lattice, upsampled bilinearly, without a seam on the torus."""
    lattice = _noise((count, 3, LATTICE, LATTICE), world.look.texture, generator).double()
    weight = _bilinear(world.size)  # whole numbers, so the two products are exact
    fine = torch.einsum("hp,bcpq,wq->bchw", weight, lattice, weight) / (64 * 64)
    return (fine + 255 * world.look.background).round().to(torch.int16)


def _bilinear(size: int) -> Float64[Tensor, "size 8"]:
    """Compute the weights in 64ths that upsample a periodic lattice to `size` px."""
    place = (torch.arange(size, dtype=torch.float64) + 0.5) * LATTICE / size - 0.5
    distance = (torch.arange(LATTICE) - place[:, None]).abs()
    distance = torch.minimum(distance, LATTICE - distance)
    return ((1 - distance).clamp(min=0) * 64).round()


def _noise(shape: tuple[int, ...], strength: float, generator: torch.Generator) -> Int16[Tensor, "..."]:
    """Draw nearly normal noise of the given std (fraction of 255): the sum of four random 4-bit numbers.

    Eight numbers are added at once inside one 64-bit word. Words are drawn clip by clip, so drawing in chunks
    gives the same noise as drawing at once.
    """
    words = torch.empty(shape[0], 2, -(-torch.Size(shape[1:]).numel() // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)
    pairs = (words & _NIBBLES).add_(words.bitwise_right_shift_(4).bitwise_and_(_NIBBLES))
    sums = (pairs[:, 0] + pairs[:, 1]).view(torch.uint8)  # bytes 0..60, mean 30, variance 4 * 255 / 12
    values = sums[:, : torch.Size(shape[1:]).numel()].reshape(shape).to(torch.int16)
    scale = round(64 * strength * 255 / 85**0.5)
    return values.sub_(30).mul_(scale).add_(32).bitwise_right_shift_(6)
