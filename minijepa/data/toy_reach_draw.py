"""Draw the plane of ``toy_reach``: texture, wall, what moves on its own, and the agent on top."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from minijepa.data.toy_start import uniform

BRICK = (190, 84, 40)
WALL_SHIFT = 0.2  # of the middle of the wall from the middle of the picture, at most
LATTICE = 8  # the texture has 8 x 8 random colours
CHUNK = 128  # frames drawn at a time, so that the work stays near the cache


@dataclass(frozen=True)
class Look:
    """Say what the agent cannot change; lengths in halves of the picture, strengths as fractions of full brightness."""

    jumping: int = 4  # shapes that are elsewhere, in another colour, whenever they jump
    drifting: int = 1  # shapes that move evenly and come back on the other side
    hold: float = 0.0  # chance that a jumping shape stays for one more step
    spot: tuple[float, float] = (0.15, 0.3)  # smallest and largest radius of these shapes
    texture: float = 0.1  # std of the static colours behind everything, new in every episode
    noise: float = 0.1  # std of fresh noise in every pixel
    background: float = 0.35  # mean brightness


@dataclass(frozen=True)
class Scene:
    """Hold what is fixed in an episode, agent and noise excepted; f frames are known in advance."""

    texture: Float[Tensor, "b 3 H W"]  # 0..255
    wall: Float[Tensor, "b 4"]  # x y of one end, x y of the other
    thickness: float  # half of it
    place: Float[Tensor, "b f o 2"]  # of the shapes that move on their own
    radius: Float[Tensor, "b f o"]
    ink: Float[Tensor, "b f o 3"]  # 0..255

    def rows(self, index: Tensor | slice) -> Scene:
        """Keep some worlds of the batch."""
        kept = (part[index] for part in (self.texture, self.wall))
        moving = (part[index] for part in (self.place, self.radius, self.ink))
        return Scene(*kept, self.thickness, *moving)


def draw_scene(look: Look, size: int, wall: tuple[float, float], count: int, frames: int, generator: torch.Generator) -> Scene:
    """Draw the scenes of ``count`` episodes of ``frames`` frames.

    size: px. wall: half its length and half its thickness; it stands near the middle, at any angle.
    """
    lattice = normal((count, 3, LATTICE, LATTICE), generator) * look.texture + look.background
    texture = 255 * interpolate(lattice, size=(size, size), mode="bilinear")
    middle = (2 * uniform((count, 2), generator).float() - 1) * WALL_SHIFT
    angle = uniform((count,), generator).float() * torch.pi
    arm = torch.stack((angle.cos(), angle.sin()), 1) * wall[0]
    moving = [jumping_shapes(look, count, frames, generator), drifting_shapes(look, count, frames, generator)]
    place, radius, ink = (torch.cat(parts, 2) for parts in zip(*moving))
    return Scene(texture, torch.cat((middle - arm, middle + arm), 1), wall[1], place, radius, ink)


def jumping_shapes(look: Look, count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw place, radius and ink of shapes that jump; what they do next cannot be known."""
    shape = (count, frames, look.jumping)
    drawn = uniform((*shape, 6), generator).float()
    stay = uniform(shape, generator) < look.hold
    stay[:, 0] = False
    index = torch.where(stay, 0, torch.arange(frames)[:, None]).cummax(1).values
    drawn = drawn.gather(1, index[..., None].expand(-1, -1, -1, 6))
    return spots(look, drawn)


def drifting_shapes(look: Look, count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw place, radius and ink of shapes that drift, at most 0.15 a step."""
    drawn = uniform((count, 1, look.drifting, 6), generator).float().expand(-1, frames, -1, -1)
    velocity = (2 * uniform((count, 1, look.drifting, 2), generator).float() - 1) * 0.15
    place, radius, ink = spots(look, drawn)
    moved = place + velocity * torch.arange(frames)[:, None, None]
    return torch.remainder(moved + 1.2, 2.4) - 1.2, radius, ink


def spots(look: Look, drawn: Float[Tensor, "b f o 6"]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn numbers in [0, 1) into place, radius and ink."""
    low, high = look.spot
    return 2 * drawn[..., :2] - 1, low + (high - low) * drawn[..., 2], 20 + 200 * drawn[..., 3:]


def draw(
    look: Look,
    scene: Scene,
    states: Float[Tensor, "b f 2"],
    radius: float,
    generator: torch.Generator,
    first: int = 0,
) -> UInt8[Tensor, "b 3 f H W"]:
    """Draw the frames ``first``, ``first`` + 1, ... of scenes, with the agent at the states.

    From back to front: texture, wall, what moves on its own, the agent as a white disc of this radius; noise over all.
    """
    b, frames, _ = states.shape
    size = scene.texture.shape[-1]
    walled = paint(scene.texture, wall_cover(scene, size), torch.tensor(BRICK).float().expand(b, 3))
    image = walled[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1)
    part = slice(first, first + frames)
    moving = [value[:, part].flatten(0, 1) for value in (scene.place, scene.radius, scene.ink)]
    agent = states.flatten(0, 1)
    drawn = torch.empty(image.shape, dtype=torch.uint8)
    for start in range(0, len(image), CHUNK):
        rows = slice(start, start + CHUNK)
        layer = draw_chunk(image[rows], [value[rows] for value in moving], agent[rows], radius)
        if look.noise:
            layer = layer + 255 * look.noise * normal(layer.shape, generator)
        drawn[rows] = layer.round().clamp(0, 255).to(torch.uint8)
    return drawn.unflatten(0, (b, frames)).transpose(1, 2).contiguous()


def draw_chunk(image: Tensor, moving: list[Tensor], agent: Tensor, radius: float) -> Float[Tensor, "k 3 H W"]:
    """Lay the moving shapes and then the agent over some pictures."""
    place, radii, ink = moving
    for index in range(place.shape[1]):
        image = paint(image, disc_cover(place[:, index], radii[:, index], image.shape[-1]), ink[:, index])
    white = torch.full((len(image), 3), 255.0)
    return paint(image, disc_cover(agent, torch.full((len(image),), radius), image.shape[-1]), white)


def paint(
    image: Float[Tensor, "k 3 H W"], cover: Float[Tensor, "k H W"], ink: Float[Tensor, "k 3"]
) -> Float[Tensor, "k 3 H W"]:
    """Mix an ink into pictures where it covers them."""
    return torch.lerp(image, ink[..., None, None].expand_as(image), cover[:, None])


def disc_cover(place: Float[Tensor, "k 2"], radius: Float[Tensor, " k"], size: int) -> Float[Tensor, "k H W"]:
    """Compute how much of each pixel a disc covers, 0..1, with an edge one pixel wide."""
    dx, dy = (pixel_centres(size) - place[..., None]).unbind(1)  # (k, size) each
    distance = (dx[:, None, :] ** 2 + dy[:, :, None] ** 2).sqrt()
    return (0.5 + (radius[:, None, None] - distance) * size / 2).clamp(0, 1)


def wall_cover(scene: Scene, size: int) -> Float[Tensor, "b H W"]:
    """Compute how much of each pixel the wall covers, a line with round ends."""
    if not scene.thickness:
        return torch.zeros(len(scene.wall), size, size)
    centres = pixel_centres(size)
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)  # (H, W, 2)
    start, along = scene.wall[:, None, None, :2], (scene.wall[:, 2:] - scene.wall[:, :2])[:, None, None]
    share = ((grid - start) * along).sum(-1, keepdim=True) / (along * along).sum(-1, keepdim=True).clamp(min=1e-9)
    distance = (grid - start - share.clamp(0, 1) * along).norm(dim=-1)
    return (0.5 + (scene.thickness - distance) * size / 2).clamp(0, 1)


def pixel_centres(size: int) -> Float[Tensor, " size"]:
    """Return where the centres of the pixels lie in -1..1."""
    return (2 * torch.arange(size) + 1) / size - 1


def normal(shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Float[Tensor, "..."]:
    """Draw nearly normal numbers of variance 1: the sum of four evenly drawn bytes."""
    bytes_ = torch.empty((*shape, 4), dtype=torch.uint8).random_(0, 256, generator=generator)
    return (bytes_.float().sum(-1) - 510) / 147.8
