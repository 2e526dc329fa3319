"""What the arm's planner imagines in: pictures and a pose become one vector, and an action changes it.

A latent is (b, 1, k): one token with the channels of every view side by side, and how closed the gripper is as the last one.
``Blocks`` says which channels belong to what, so that an energy can weigh them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from minijepa.model.action_predictor import ActionPredictor, Past
from minijepa.model.checkpoint_files import CheckpointError, read_safetensors
from minijepa.model.weights import write
from minijepa.train.latent_view import LatentView
from minijepa.train.transitions import frame_tokens
from minijepa_robot.learn.joint import ACTION_SCALE, JointConfig, JointModel, scaled_cameras, scaled_poses

Latents = Float[Tensor, "b 1 k"]
Blocks = dict[str, slice]  # "side", "wrist", "gripper" -> channels


class Seen(NamedTuple):
    """Hold what the robot knows of a moment: a picture a camera, and the pose that its joints tell."""

    views: dict[str, UInt8[Tensor, "b 3 H W"]]
    pose: Float[Tensor, "b 7"]


@dataclass(frozen=True)
class ArmWorld:
    """Imagine what the arm will see; the two methods that ``minijepa.plan.world.WorldModel`` asks for."""

    look: Callable[[Seen], Tensor]  # -> latents (b, 1, k)
    predictor: ActionPredictor
    blocks: Blocks
    lenses: Mapping[str, Tensor] = field(default_factory=dict)  # view -> (3, k): what of its channels an energy sees
    camera: Float[Tensor, "6"] | None = None  # where the camera stands, for a predictor that wants to be told

    @torch.no_grad()
    def encode(self, frames: Seen) -> Latents:
        """Return the latents of moments, each by itself."""
        return self.look(frames)

    @torch.no_grad()
    def step(
        self, latent: Latents, action: Float[Tensor, "s 7"], pose: Float[Tensor, "s 7"], memory: list[Past] | None
    ) -> tuple[Latents, list[Past]]:
        """Imagine the latents after actions at poses, and all that the memory keeps.

        Who asks an open hand to open more gets what the arm would do: nothing. No training has seen such a pair of pose and
        action, and what the predictor says of it leads a planner astray.
        """
        known = (feasible(action, pose) / ACTION_SCALE)[:, None], scaled_poses(pose)[:, None]
        cameras = None if self.camera is None else scaled_cameras(self.camera).expand(len(action), 1, 6)
        return self.predictor.step(latent, *known, (1, 1), memory, cameras)

    def energy(self, weights: Mapping[str, float | int]) -> Callable[[Tensor, Tensor], Tensor]:
        """Return an energy: the mean |difference| of each view's channels, weighed and added.

        Where a view has a lens, its channels are first brought to the coordinates in which actions are straight steps, so
        that a unit is about 5 cm. Views that are not named, or that this world has not, count nothing.
        """
        known = {name: weight for name, weight in weights.items() if name in self.blocks and weight}

        def distance(latents: Tensor, goal: Tensor) -> Tensor:
            apart = (latents - goal).flatten(1)
            parts = {name: apart[:, self.blocks[name]] for name in known}
            seen = {name: part @ self.lenses[name].T if name in self.lenses else part for name, part in parts.items()}
            return sum(weight * seen[name].abs().mean(1) for name, weight in known.items())

        return distance


def feasible(action: Float[Tensor, "s 7"], pose: Float[Tensor, "s 7"]) -> Float[Tensor, "s 7"]:
    """Return what of an action can be done: closedness ends between 0 and 1."""
    closed = pose[:, 6:]
    return torch.cat((action[:, :6], (closed + action[:, 6:]).clamp(0, 1) - closed), 1)


def joint_world(model: JointModel) -> ArmWorld:
    """Return the world of a jointly trained model."""
    views = model.config.views

    def look(seen: Seen) -> Tensor:
        return model.encode({view: seen.views[view][:, None] for view in views}, seen.pose[:, None])[:, 0]

    lenses = {view: model.heads[view].moved.weight[:3].detach() for view in views}
    return ArmWorld(look, model.predictor.eval(), model.config.blocks, lenses)


def frozen_world(encoder: nn.Module, view: LatentView, predictor: ActionPredictor, camera: str = "side") -> ArmWorld:
    """Return the world of a frozen video encoder with a projector and an action predictor, as the paper has it."""

    def look(seen: Seen) -> Tensor:
        return torch.cat((view(frame_tokens(encoder, seen.views[camera])), seen.pose[:, None, 6:]), -1)

    return ArmWorld(look, predictor.eval(), {camera: slice(0, view.width), "gripper": slice(view.width, None)})


def save_joint(model: JointModel, path: Path) -> Path:
    """Write a joint model as one safetensors file that ``load_joint`` opens."""
    told = model.predictor.config.extrinsics
    shape = {"views": model.config.views, "width": model.config.width, "extrinsics": told}
    return write(model.state_dict(), path, {"kind": "joint", "config": json.dumps(shape)})


def load_joint(path: str | Path) -> JointModel:
    """Open what ``save_joint`` wrote; raise FileNotFoundError, or CheckpointError if it is something else."""
    state, metadata = read_safetensors(Path(path))
    if metadata.get("kind") != "joint":
        raise CheckpointError(f"{path}: expected kind 'joint', got {metadata.get('kind')!r}; save_joint writes such a file")
    known = json.loads(metadata["config"])
    model = JointModel(JointConfig(tuple(known["views"]), known["width"], known.get("extrinsics", False)))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: the weights do not fit the config: {error}") from error
    return model.requires_grad_(False).eval()
