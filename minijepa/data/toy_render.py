"""Draw toy worlds: shapes, texture and noise, byte for byte the same on every machine.

Everything random is drawn on the CPU as integers, geometry is plain float64 arithmetic without libm, and pixels are
int16, so that no rounding depends on the machine.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int16, UInt8
from torch import Tensor

from minijepa.data.toy_world import State, World

COVER = 64  # a pixel inside a shape has coverage 64, so coverage * brightness fits in int16
LATTICE = 8  # the background texture has 8x8 random colours
CHUNK_BYTES = 3 << 19  # pixels drawn at a time on the CPU: the int16 work stays near the cache
_NIBBLES = 0x0F0F0F0F0F0F0F0F


def draw(state: State, world: World, generator: torch.Generator, device: torch.device) -> UInt8[Tensor, "b 3 f H W"]:
    """Draw a batch of clips from their state: texture, then objects, then noise."""
    background = _texture(len(state.position), world, generator).to(device)
    columns, rows = (profile.to(device) for profile in _profiles(state, world))
    colour = state.colour.to(device=device, dtype=torch.int16)
    count, size, frames = len(colour), world.size, world.frames
    video = torch.empty(count, 3, frames, size, size, dtype=torch.uint8, device=device)
    step = count if device.type != "cpu" else max(1, CHUNK_BYTES // video[0].numel())
    for start in range(0, count, step):
        part = slice(start, start + step)
        image = background[part, :, None].expand(-1, -1, frames, -1, -1)
        for index in reversed(range(colour.shape[2])):  # the lead is drawn last, on top
            ink = colour[part, :, index].transpose(1, 2)[..., None, None]
            image = _paint(image, columns[part, :, index], rows[part, :, index], ink)
        if world.look.noise > 0:
            image = image + _noise(image.shape, world.look.noise, generator).to(device)
        video[part] = image.clamp(0, 255).to(torch.uint8)
    return video


def _paint(
    image: Int16[Tensor, "b 3 f H W"],
    column: Int16[Tensor, "b f W"],
    row: Int16[Tensor, "b f H"],
    ink: Int16[Tensor, "b 3 f 1 1"],
) -> Int16[Tensor, "b 3 f H W"]:
    """Lay one object over the image; its coverage is column + row, cut to 0..64."""
    cover = (column[:, :, None, :] + row[:, :, :, None]).clamp_(0, COVER)[:, None]
    return ((ink - image) * cover).add_(COVER // 2).bitwise_right_shift_(6).add_(image)


def _profiles(state: State, world: World) -> tuple[Int16[Tensor, "b f o W"], Int16[Tensor, "b f o H"]]:
    """Split every shape into a profile over columns and one over rows, whose sum is its coverage.

    A disc is r^2 - x^2 - y^2, a diamond r - |x| - |y|, a square min(0, r - |x|) + min(0, r - |y|), each divided by
    its slope at the border so that one unit is one pixel. Equal radius means equal area for all three.
    """
    centres = torch.arange(world.size, dtype=torch.float64) + 0.5
    offset = centres - state.position[..., None]  # (b, f, o, 2, size)
    if world.motion.edges == "torus":
        offset = torch.remainder(offset + world.size / 2, world.size) - world.size / 2
    distance, radius = offset.abs(), state.radius[:, None, :, None, None]
    disc = -distance * distance / (2 * radius)
    square = (0.8862269254527580 * radius - distance - 0.5).clamp(max=0)  # half side: sqrt(pi) / 2
    diamond = -distance * 0.7071067811865476
    inside = torch.stack([0.5 + radius / 2, torch.ones_like(radius), 0.5 + 0.8862269254527580 * radius], -1)
    shape = state.shape[..., None, None]
    profile = torch.where(shape == 0, disc, torch.where(shape == 1, square, diamond))
    inside = inside[..., 0, 0, :].expand(*state.shape.shape, 3).gather(-1, state.shape[..., None])
    inside = torch.where(state.visible[..., None], inside, -512.0)
    column = (COVER * (profile[..., 0, :] + inside)).round().clamp(-16000, 16000).to(torch.int16)
    return column, (COVER * profile[..., 1, :]).round().clamp(-16000, 16000).to(torch.int16)


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
