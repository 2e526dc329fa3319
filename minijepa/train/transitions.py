"""What post-training learns from: the frozen features of every frame, computed once, with the actions between them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from minijepa.data.preprocess import normalize
from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import Episodes, ReachWorld, sample_episodes
from minijepa.model.encoder import VideoEncoder

CHUNK = 128  # episodes that are drawn and encoded at a time


@dataclass(frozen=True)
class Transitions:
    """Hold sequences of latents with what was done between them; a robot's data set gives the same three tensors."""

    latents: Float[Tensor, "sequences f n d"]
    actions: Float[Tensor, "sequences t action"]  # t = f - 1
    states: Float[Tensor, "sequences f state"]
    extrinsics: Float[Tensor, "sequences f 6"] | None = None  # where the camera stood, for a predictor that is told

    def __post_init__(self) -> None:
        frames, steps, states = self.latents.shape[1], self.actions.shape[1], self.states.shape[1]
        if frames != states or steps != frames - 1 or steps < 1:
            raise ValueError(
                f"Transitions: expected f frames, f states and f - 1 actions, got {frames}, {states} and {steps}; "
                "an action leads from one frame to the next"
            )

    def __len__(self) -> int:
        return len(self.actions)

    def rows(self, index: Tensor) -> "Transitions":
        """Pick some sequences."""
        extrinsics = None if self.extrinsics is None else self.extrinsics[index]
        return Transitions(self.latents[index], self.actions[index], self.states[index], extrinsics)

    def to(self, device: str) -> "Transitions":
        """Return the same on a device."""
        return Transitions(*(None if part is None else part.to(device) for part in vars(self).values()))

    def identity(self) -> str:
        """Tell which data these are by their size and sum, for the settings of a run."""
        return f"{tuple(self.latents.shape)}-{self.latents.double().sum().item():.6f}"


@runtime_checkable
class Sequences(Protocol):
    """Ask three things of what is learnt from: ``Transitions`` in memory, or a ``feature_cache.FeatureCache`` on disk."""

    def __len__(self) -> int: ...

    def rows(self, index: Tensor) -> Transitions:
        """Return some sequences."""

    def identity(self) -> str:
        """Tell which data these are."""


@dataclass(frozen=True)
class ReachClips:
    """Make pretraining clips of the plane: the random policy acts, and every picture is shown ``hold`` times.

    With ``hold`` equal to the tubelet, a time step of the clip is one picture shown twice, which is also how the
    action-conditioned model sees each frame.
    """

    world: ReachWorld = field(default_factory=ReachWorld)
    frames: int = 8  # in a clip
    hold: int = 2  # frames that each picture is shown

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return these rows; every process draws the whole batch, so that N processes see what one would."""
        steps = self.frames // self.hold - 1
        episodes = sample_episodes(self.world, batch, steps, split_generator("train", seed, step))
        return episodes.video[rows].repeat_interleave(self.hold, dim=2)

    def skipped(self) -> list[str]:
        """Return nothing: a clip that is made on the spot is never bad."""
        return []


@torch.no_grad()
def frame_tokens(encoder: VideoEncoder, frames: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b n d"]:
    """Encode each picture by itself, as a still clip, and layer-norm its tokens (eps 1e-5, no scale or shift).

    Implements the encoding of ``app/vjepa_droid/train.py``: every frame is doubled in time before the encoder.
    """
    tokens = encoder(normalize(frames[:, :, None])[:, :, 0])
    return F.layer_norm(tokens, tokens.shape[-1:])


def reach_episodes(world: ReachWorld, count: int, steps: int, split: str, seed: int) -> Iterator[Episodes]:
    """Draw episodes of the random policy in chunks; ``split_generator`` keeps splits and seeds apart."""
    for number, first in enumerate(range(0, count, CHUNK)):
        yield sample_episodes(world, min(CHUNK, count - first), steps, split_generator(split, seed, number))


def encode_episodes(encoder: VideoEncoder, world: ReachWorld, count: int, steps: int, split: str, seed: int) -> Transitions:
    """Let the random policy act and encode what it saw, each frame once."""
    parts = []
    for episodes in reach_episodes(world, count, steps, split, seed):
        frames = episodes.video.transpose(1, 2)  # (b, f, 3, H, W)
        tokens = frame_tokens(encoder, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        parts.append((tokens, episodes.actions, episodes.states))
    return Transitions(*(torch.cat(part) for part in zip(*parts)))
