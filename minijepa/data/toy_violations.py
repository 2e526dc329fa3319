"""Break one law of a toy world from a known frame on; every frame before it stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from minijepa.data.toy_motion import Bodies, Track, roll
from minijepa.data.toy_start import Start, hidden, uniform
from minijepa.data.toy_world import SHAPES, World

KINDS = ("permanence", "shape", "colour", "teleport", "tunnelling", "gravity")


def check_kind(kind: str, world: World) -> None:
    """Refuse a violation that is unknown, or that the world has no law for."""
    if kind not in KINDS:
        raise ValueError(f"expected a violation of {KINDS}, got {kind!r}")
    if kind == "gravity" and not world.motion.gravity:
        raise ValueError("this world has no gravity to reverse: use World.fall(), or set gravity in Motion")
    if kind == "tunnelling" and world.motion.edges != "walls":
        raise ValueError("a torus has no wall to pass through: use World.bounce() or World.barrier()")


def choose_onset(kind: str, begin: Start, track: Track, world: World, generator: torch.Generator) -> Int64[Tensor, " b"]:
    """Choose the first unlawful frame of every clip; the number of frames where the clip has nothing to break.

    Nothing breaks in the first quarter. Tunnelling sets in where the lead would then have bounced. Where an occluder
    stands, the others set in when it hides the lead, if it does, so that nothing is seen to change; elsewhere in the
    middle half of the clip.
    """
    frames, count = world.frames, len(begin.bar)
    first, last = max(1, frames // 4), max(2, 3 * frames // 4)
    onset = torch.randint(first, last, (count,), generator=generator)
    late = torch.arange(frames) >= first
    if kind == "tunnelling":
        return _first(track.bounced & late, torch.full_like(onset, frames))
    if kind == "gravity":
        return torch.where(begin.bodies.gravity[:, 0] > 0, onset, frames)
    if world.motion.bar == "occluder":
        return _first(hidden(begin, track) & late, onset)
    return onset


def _first(event: Tensor, otherwise: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
    """Find the first frame with the event."""
    frames = event.shape[1]
    index = torch.where(event, torch.arange(frames), frames).amin(1)
    return torch.where(index < frames, index, otherwise)


def break_track(
    kind: str, begin: Start, track: Track, world: World, onset: Int64[Tensor, " b"], generator: torch.Generator
) -> Track:
    """Move the objects again, with the law broken from the onset on."""
    if kind in ("shape", "colour"):
        return track
    meddle = {"permanence": _vanish, "teleport": _jump, "tunnelling": _open, "gravity": _reverse}[kind]
    return roll(begin.bodies, world, meddle(onset, world, generator))


def _vanish(onset: Tensor, world: World, generator: torch.Generator) -> Callable[[int, Bodies], Bodies]:
    """Take the lead out of the world at the onset."""

    def meddle(frame: int, bodies: Bodies) -> Bodies:
        active = bodies.active.clone()
        active[:, 0] &= onset != frame
        return replace(bodies, active=active)

    return meddle


def _jump(onset: Tensor, world: World, generator: torch.Generator) -> Callable[[int, Bodies], Bodies]:
    """Put the lead elsewhere at the onset: on, by 35 to 65 percent of its room, in x and y."""
    share = 0.35 + 0.3 * uniform((len(onset), 2), generator)

    def meddle(frame: int, bodies: Bodies) -> Bodies:
        low, high = bodies.bounds[:, :, 0] if world.motion.edges == "walls" else (0.0, float(world.size))
        there = low + torch.remainder(bodies.position[:, 0] - low + share * (high - low), high - low)
        position = bodies.position.clone()
        position[:, 0] = torch.where((onset == frame)[:, None], there, position[:, 0])
        return replace(bodies, position=position)

    return meddle


def _open(onset: Tensor, world: World, generator: torch.Generator) -> Callable[[int, Bodies], Bodies]:
    """Let the lead pass through what stops it: the solid bar if there is one, the walls if not."""

    def meddle(frame: int, bodies: Bodies) -> Bodies:
        edge = bodies.bounds[0, :, 0].amin(1, keepdim=True).expand(-1, 2)  # the axis that the bar leaves alone
        free = torch.stack([edge, world.size - edge])
        if world.motion.bar != "solid":
            free = torch.stack([torch.full_like(edge, -1e6), torch.full_like(edge, 1e6)])
        bounds = bodies.bounds.clone()
        bounds[:, :, 0] = torch.where((onset <= frame)[:, None], free, bounds[:, :, 0])
        return replace(bodies, bounds=bounds)

    return meddle


def _reverse(onset: Tensor, world: World, generator: torch.Generator) -> Callable[[int, Bodies], Bodies]:
    """Turn gravity upwards from the onset on."""

    def meddle(frame: int, bodies: Bodies) -> Bodies:
        return replace(bodies, gravity=torch.where((onset == frame)[:, None], -bodies.gravity, bodies.gravity))

    return meddle


def break_looks(
    kind: str,
    shape: Int64[Tensor, "b f o"],
    colour: UInt8[Tensor, "b f o 3"],
    onset: Int64[Tensor, " b"],
    generator: torch.Generator,
) -> tuple[Int64[Tensor, "b f o"], UInt8[Tensor, "b f o 3"]]:
    """Change the lead's shape or colour from the onset on; white becomes one of six colours, a colour its opposite."""
    broken = torch.arange(shape.shape[1]) >= onset[:, None]
    if kind == "shape":
        other = (shape[:, :, 0] + torch.randint(1, len(SHAPES), (len(onset), 1), generator=generator)) % len(SHAPES)
        shape[:, :, 0] = torch.where(broken, other, shape[:, :, 0])
    if kind == "colour":
        tint = torch.randint(1, 7, (len(onset), 1, 1), generator=generator)
        opposite = 255 - colour[:, :, 0].long()
        saturated = torch.where((tint >> torch.arange(3)) & 1 == 1, 0, 255)
        white = (colour[:, :, 0] == 255).all(-1, keepdim=True)
        colour[:, :, 0] = torch.where(broken[..., None], torch.where(white, saturated, opposite), colour[:, :, 0].long()).to(
            torch.uint8
        )
    return shape, colour
