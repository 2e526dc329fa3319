"""What a planner asks of a world model, and the model of the paper: a frozen encoder with an action predictor."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from minijepa.model.action_predictor import ActionPredictor, Past
from minijepa.model.encoder import VideoEncoder

Tokens = Float[Tensor, "s n d"]
Actions = Float[Tensor, "s a"]


@runtime_checkable
class WorldModel(Protocol):
    """Ask two things of a world model; its latents may have any shape after the first axis, pixels too."""

    def encode(self, frames: Tensor) -> Tensor:
        """Return latents (b, …) of observations (b, …)."""

    def step(self, latent: Tensor, action: Tensor, pose: Tensor, memory: object) -> tuple[Tensor, object]:
        """Return the latents (s, …) after actions (s, a) at poses (s, a), and a memory for the next step; None at first."""


class LatentWorld:
    """Imagine frames as tokens: V-JEPA 2-AC, with the layer norms that the released planner applies."""

    def __init__(self, encoder: VideoEncoder, predictor: ActionPredictor, grid: tuple[int, int]) -> None:
        self.encoder, self.predictor, self.grid = encoder, predictor, grid  # grid: patches (h, w) of one frame

    @torch.no_grad()
    def encode(self, frames: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b n d"]:
        """Return the normalised tokens of each frame by itself, seen as a still clip."""
        tokens = self.encoder(frames)
        return F.layer_norm(tokens, tokens.shape[-1:])

    def step(self, latent: Tokens, action: Actions, pose: Actions, memory: list[Past] | None) -> tuple[Tokens, list[Past]]:
        """Imagine the next frame, from this one and from all that the memory keeps."""
        shared = latent[:1] if latent.stride(0) == 0 else latent  # one start, expanded to all samples
        tokens, memory = self.predictor.step(shared, action[:, None], pose[:, None], self.grid, memory)
        return F.layer_norm(tokens, tokens.shape[-1:]), memory


Distance = Callable[[Tensor, Tensor], Tensor]  # (latents (s, …), goal (1, …)) -> energies (s,)
DISTANCES: dict[str, Distance] = {
    "l1": lambda latents, goal: (latents - goal).abs().flatten(1).mean(1),  # the paper's energy
    "l2": lambda latents, goal: (latents - goal).square().flatten(1).mean(1),
}


def rollout(model: WorldModel, start: Tensor, actions: Float[Tensor, "s horizon a"], poses: Tensor) -> Iterator[Tensor]:
    """Imagine plans from one start (1, …) and give the latents (s, …) after each of their steps in turn.

    poses: (s, horizon or more, a), the pose before each action, as ``ActionSpace.poses`` returns them.
    """
    latent, memory = start.expand(len(actions), *start.shape[1:]), None
    for h in range(actions.shape[1]):
        latent, memory = model.step(latent, actions[:, h], poses[:, h], memory)
        yield latent
