"""What a toy world is: its rules, its look, and what a sampled batch holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool, Float64, Int64, UInt8
from torch import Tensor

SHAPES = ("disc", "square", "diamond")


@dataclass(frozen=True)
class Motion:
    """Say how objects move; lengths in px, times in frames."""

    edges: Literal["torus", "walls"] = "torus"  # leave and come back on the other side, or bounce
    speeds: tuple[float, ...] = (0.7, 1.4, 2.1)  # px a frame, one class each
    speed_spread: float = 0.1  # relative, uniform, around the class's speed
    gravity: float = 0.0  # px a frame a frame, downwards; on in half of the clips
    collisions: bool = False  # elastic between discs of their radius; otherwise objects pass through


@dataclass(frozen=True)
class Look:
    """Say how a world is drawn; strengths are fractions of full brightness."""

    texture: float = 0.1  # std of an 8x8 colour lattice, upsampled; fixed within a clip
    noise: float = 0.1  # std of fresh noise for every pixel, channel and frame
    hue: Literal["white", "clip"] = "white"  # colour of the lead object: white, or random and fixed within a clip
    distractors: Literal["none", "weak", "strong"] = "none"  # moving things that carry no label
    occluder: bool = False  # a bar in front of everything
    background: float = 0.35  # mean brightness


@dataclass(frozen=True)
class World:
    """Describe a family of clips; the class methods are the worlds of the course."""

    size: int = 32  # px, height and width
    frames: int = 8
    objects: tuple[int, int] = (1, 1)  # fewest and most objects; object 0 leads and carries the labels
    radius: tuple[float, float] = (4.0, 6.0)  # px, of the lead
    motion: Motion = field(default_factory=Motion)
    look: Look = field(default_factory=Look)

    @classmethod
    def drift(
        cls,
        size: int = 32,
        frames: int = 8,
        texture: float = 0.1,
        noise: float = 0.1,
        hue: Literal["white", "clip"] = "white",
    ) -> World:
        """Make the first world: one shape drifts on a torus over a static texture."""
        return cls(size, frames, look=Look(texture, noise, hue))


@dataclass(frozen=True)
class State:
    """Hold what the renderer was told, so that figures can use the truth."""

    position: Float64[Tensor, "b f o 2"]  # px, (x right, y down), pixel centres at .5
    velocity: Float64[Tensor, "b f o 2"]  # px a frame, at the frame
    radius: Float64[Tensor, "b o"]  # px, of the disc of equal area
    shape: Int64[Tensor, "b f o"]  # index into SHAPES
    colour: UInt8[Tensor, "b f o 3"]
    visible: Bool[Tensor, "b f o"]  # False: this object isn't in this frame at all


@dataclass(frozen=True)
class ToyClips:
    """Hold a batch of clips with labels and the state behind them."""

    video: UInt8[Tensor, "b 3 f H W"]
    labels: dict[str, Int64[Tensor, " b"]]
    state: State
    onset: Int64[Tensor, " b"]  # first frame that breaks a law; the number of frames in a lawful clip
