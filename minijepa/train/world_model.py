"""Encoder, view and action predictor as one world model: what a planner needs, and what is shipped."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from minijepa.model.action_predictor import ActionPredictor, Past
from minijepa.model.checkpoint_files import CheckpointError, read_safetensors
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load, save, write
from minijepa.train.latent_view import LatentView, ViewConfig
from minijepa.train.transitions import frame_tokens

Latents = Float[Tensor, "s m k"]


@dataclass(frozen=True)
class ViewedWorld:
    """Imagine in the latents of a view; it has the two methods that ``plan.world.WorldModel`` asks for."""

    encoder: VideoEncoder  # frozen
    view: LatentView
    predictor: ActionPredictor
    grid: tuple[int, int]  # of a frame's latents; (1, 1) for one projected vector

    @torch.no_grad()
    def encode(self, frames: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b m k"]:
        """Return the latents of pictures, each by itself."""
        return self.view(frame_tokens(self.encoder, frames))

    def step(
        self, latent: Latents, action: Float[Tensor, "s a"], pose: Float[Tensor, "s a"], memory: list[Past] | None
    ) -> tuple[Latents, list[Past]]:
        """Imagine what follows from actions at poses, and all that the memory keeps."""
        predicted, memory = self.predictor.step(latent, action[:, None], pose[:, None], self.grid, memory)
        return self.view.finish(predicted), memory


def save_world(model: ViewedWorld, folder: Path) -> None:
    """Write encoder.safetensors, predictor.safetensors and view.safetensors into a folder."""
    save(model.encoder, folder / "encoder.safetensors")
    save(model.predictor, folder / "predictor.safetensors")
    metadata = {"kind": "view", "config": json.dumps(asdict(model.view.config)), "grid": json.dumps(model.grid)}
    write(model.view.state_dict(), folder / "view.safetensors", metadata)


def load_world(folder: str | Path) -> ViewedWorld:
    """Open what ``save_world`` wrote; raise FileNotFoundError or CheckpointError if it is not whole."""
    folder = Path(folder)
    encoder, predictor = (load(folder / f"{name}.safetensors") for name in ("encoder", "predictor"))
    state, metadata = read_safetensors(folder / "view.safetensors")
    if metadata.get("kind") != "view":
        raise CheckpointError(f"{folder}/view.safetensors: expected kind 'view', got {metadata.get('kind')!r}; see save_world")
    view = LatentView(ViewConfig(**json.loads(metadata["config"])), *state["mean"].shape)
    try:
        view.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{folder}/view.safetensors: the weights do not fit the config: {error}") from error
    return ViewedWorld(encoder, view.requires_grad_(False).eval(), predictor, tuple(json.loads(metadata["grid"])))
