"""Say what a toy world is: its rules, its look, and what a sampled batch holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool, Float64, Int64, UInt8
from torch import Tensor

SHAPES = ("disc", "square", "diamond")
Events = Literal["natural", "balanced", "always"]
Strength = Literal["none", "weak", "strong"]


@dataclass(frozen=True)
class Motion:
    """Say how objects move; lengths in px, times in frames."""

    edges: Literal["torus", "walls"] = "torus"  # leave and come back on the other side, or bounce
    speeds: tuple[float, ...] = (0.7, 1.4, 2.1)  # px a frame, one class each, shared by all objects of a clip
    speed_spread: float = 0.1  # relative, uniform, around the class's speed
    gravity: float = 0.0  # px a frame a frame, downwards; on in half of the clips (in all if events are "always")
    collisions: bool = False  # elastic, between discs of the shapes' area, mass = area; otherwise objects overlap
    bar: Literal["none", "occluder", "solid"] = "none"  # a bar across the image: things pass behind it, or bounce off
    bar_width: float = 0.0  # px
    bar_place: Literal["drawn", "middle"] = "drawn"  # of each clip its own, upright or across; or upright in the middle of all


@dataclass(frozen=True)
class Look:
    """Say how a world is drawn; strengths are fractions of full brightness."""

    texture: float = 0.1  # std of an 8x8 colour lattice, upsampled; fixed within a clip
    noise: float = 0.1  # std of fresh noise for every pixel, channel and frame
    hue: Literal["white", "clip"] = "white"  # colour of the lead object: white, or random and fixed within a clip
    distractors: Strength = "none"  # blobs behind the objects, drifting and flickering; they carry no label
    background: float = 0.35  # mean brightness


@dataclass(frozen=True)
class World:
    """Describe a family of clips; the class methods are the worlds of the course.

    The class methods scale all lengths with size / 32, so that a larger picture shows the same world in more detail.
    All but `drift` and `occluder` slow down in longer clips (speeds by 12 / (frames + 4)), so that events stay about even.
    """

    size: int = 32  # px, height and width
    frames: int = 8
    objects: tuple[int, int] = (1, 1)  # fewest and most objects; object 0 leads and carries the labels
    radius: tuple[float, float] = (4.0, 6.0)  # px, of the lead; a disc of this radius has the shape's area
    others: tuple[float, float] = (2.0, 3.0)  # px, radius of the other objects
    motion: Motion = field(default_factory=Motion)
    look: Look = field(default_factory=Look)
    events: Events = "natural"  # "balanced" or "always": pick clips so that half of them or all hold the event

    def __post_init__(self) -> None:
        if self.size < 16 or self.frames < 2:
            raise ValueError(f"expected size >= 16 px and frames >= 2, got {self.size} px and {self.frames} frames")
        if not 1 <= self.objects[0] <= self.objects[1] <= 6:
            raise ValueError(f"expected 1 <= fewest <= most <= 6 objects, got objects={self.objects}")
        if self.motion.edges == "torus" and (self.motion.gravity or self.motion.bar == "solid"):
            raise ValueError("gravity and a solid bar need something to land on: set edges='walls' in Motion")
        room = self.size
        if self.motion.bar != "none":  # the narrower side of the bar; see toy_start._bar for the 0.35
            room = (0.35 * self.size - self.motion.bar_width / 2) * (1 if self.motion.bar == "solid" else 2)
        if self.radius[0] <= 0 or self.others[0] <= 0 or 2.51 * self.radius[1] > room:  # a diamond's tips
            raise ValueError(f"expected radii above 0 and 2.51 * radius <= {room:.1f} px, got {self.radius}, {self.others}")

    @classmethod
    def drift(
        cls,
        size: int = 32,
        frames: int = 8,
        texture: float = 0.15,
        noise: float = 0.1,
        hue: Literal["white", "clip"] = "white",
    ) -> World:
        """Make the first world: one shape drifts on a torus over a static texture."""
        scale = size / 32
        motion = Motion(speeds=_scaled((0.7, 1.4, 2.1), scale))
        return cls(size, frames, (1, 1), _scaled((4.0, 6.0), scale), motion=motion, look=Look(texture, noise, hue))

    @classmethod
    def bounce(cls, size: int = 32, frames: int = 16, look: Look | None = None, events: Events = "balanced") -> World:
        """Make one shape that moves in a box and bounces off its walls; the event is a bounce."""
        return _single(size, frames, look, events, (4.0, 6.0), _motion(size, frames))

    @classmethod
    def fall(cls, size: int = 32, frames: int = 16, look: Look | None = None, events: Events = "balanced") -> World:
        """Make one shape in a box that is thrown: half of the clips have gravity; the event is gravity."""
        return _single(size, frames, look, events, (3.0, 4.5), _motion(size, frames, gravity=0.35))

    @classmethod
    def collide(cls, size: int = 32, frames: int = 16, look: Look | None = None, events: Events = "balanced") -> World:
        """Make two or three shapes on a torus that bounce off each other; the event is a collision."""
        motion = _motion(size, frames, edges="torus", collisions=True)
        radii = _scaled((4.0, 6.0), size / 32), _scaled((2.5, 3.5), size / 32)
        return cls(size, frames, (2, 3), *radii, motion=motion, look=look or Look(), events=events)

    @classmethod
    def occluder(cls, size: int = 32, frames: int = 16, look: Look | None = None, events: Events = "balanced") -> World:
        """Make one shape in a box with a bar in front; the event is that the bar hides the shape entirely."""
        return _single(size, frames, look, events, (3.0, 3.5), _motion(size, 8, bar=("occluder", 12.0)))

    @classmethod
    def barrier(cls, size: int = 32, frames: int = 16, look: Look | None = None, events: Events = "balanced") -> World:
        """Make one shape in a box that a solid bar divides; the event is a bounce off the bar or a wall."""
        return _single(size, frames, look, events, (2.5, 3.0), _motion(size, frames, bar=("solid", 3.0)))

    @classmethod
    def rich(cls, size: int = 32, frames: int = 16, distractors: Strength = "none", noise: float = 0.1) -> World:
        """Make two to four shapes in a box with gravity in half of the clips, collisions, bounces and a narrow bar."""
        motion = _motion(size, frames, gravity=0.2, collisions=True, bar=("occluder", 4.0))
        radii = _scaled((4.0, 5.0), size / 32), _scaled((2.0, 3.0), size / 32)
        look = Look(noise=noise, distractors=distractors)
        return cls(size, frames, (2, 4), *radii, motion=motion, look=look, events="balanced")


def _scaled(lengths: tuple[float, ...], scale: float) -> tuple[float, ...]:
    return tuple(length * scale for length in lengths)


def _motion(
    size: int,
    frames: int,
    edges: Literal["torus", "walls"] = "walls",
    gravity: float = 0.0,
    collisions: bool = False,
    bar: tuple[Literal["none", "occluder", "solid"], float] = ("none", 0.0),
) -> Motion:
    """Make rules from lengths for 32 px and times for 8 frames."""
    scale, pace = size / 32, 12 / (frames + 4)
    speeds = _scaled((0.7, 1.4, 2.1), scale * pace)
    return Motion(edges, speeds, 0.1, gravity * scale * pace * pace, collisions, bar[0], bar[1] * scale)


def _single(size: int, frames: int, look: Look | None, events: Events, radius: tuple[float, float], motion: Motion) -> World:
    """Make a world of one shape, its radius given for 32 px."""
    return World(size, frames, (1, 1), _scaled(radius, size / 32), motion=motion, look=look or Look(), events=events)


@dataclass(frozen=True)
class State:
    """Hold what the renderer was told, so that figures can use the truth."""

    position: Float64[Tensor, "b f o 2"]  # px, (x right, y down), pixel centres at .5
    velocity: Float64[Tensor, "b f o 2"]  # px a frame, at the frame
    radius: Float64[Tensor, "b o"]  # px, of the disc of equal area
    shape: Int64[Tensor, "b f o"]  # index into SHAPES
    colour: UInt8[Tensor, "b f o 3"]
    visible: Bool[Tensor, "b f o"]  # False: this object isn't in this frame at all; behind a bar it still is
    bar: Float64[Tensor, "b 3"]  # axis (0: a vertical bar at some x, 1: horizontal at some y), centre px, width px


@dataclass(frozen=True)
class ToyClips:
    """Hold a batch of clips with labels and the state behind them."""

    video: UInt8[Tensor, "b 3 f H W"]
    labels: dict[str, Int64[Tensor, " b"]]
    state: State
    onset: Int64[Tensor, " b"]  # first frame that breaks a law; the number of frames in a lawful clip
