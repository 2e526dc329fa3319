"""Train the world models of the arm from recorded episodes; a run that was stopped goes on where it was.

    python -m minijepa_robot.learn.train joint --data runs/arm --seed 0 --folder runs/joint_s0
    python -m minijepa_robot.learn.train pretrain --data runs/arm_moving --seed 0 --folder runs/pre_s0
    python -m minijepa_robot.learn.train frozen --data runs/arm --encoder runs/pre_s0/encoder.safetensors --folder runs/frozen

``joint`` learns everything together, and ``again`` gives its encoders another predictor; ``pretrain`` and ``frozen`` are the
two stages of the paper.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from minijepa.model.weights import load
from minijepa.train.pretrain import Run, pretrain
from minijepa.train.transitions import Transitions
from minijepa.train.world_model import ViewedWorld, save_world
from minijepa_robot.data.arrays import load_arrays
from minijepa_robot.learn.dynamics import learn_dynamics
from minijepa_robot.learn.frozen import ArmClips, post_train_frozen, pretraining
from minijepa_robot.learn.joint import (
    ACTION_SCALE,
    Clip,
    JointConfig,
    JointModel,
    predictor_config,
    scaled_cameras,
    scaled_poses,
    train_joint,
)
from minijepa_robot.learn.world import load_joint, save_joint

CHUNK = 20  # episodes that are encoded at a time


@dataclass(frozen=True)
class Joint:
    """Train encoders and predictor together, then the predictor alone on the latents of the frozen encoders."""

    data: Path  # what ``minijepa_robot.data.collect`` wrote, or another data set that ``load_arrays`` opens
    folder: Path  # checkpoints, metrics, and joint.safetensors at the end
    seed: int = 0
    steps: int = 1_800  # of the encoders with the predictor
    post_steps: int = 3_000  # of the predictor alone
    cameras: tuple[str, ...] = ("side", "wrist")
    extrinsics: bool = False  # True: the first camera stands elsewhere in every episode, and the model is told where


@dataclass(frozen=True)
class Again:
    """Train another predictor on the encoders of a joint model: on another recording, told where the camera stands or not."""

    data: Path
    model: Path  # joint.safetensors
    folder: Path  # checkpoints, metrics, and joint.safetensors at the end
    seed: int = 0
    steps: int = 1_500
    extrinsics: bool = False


@dataclass(frozen=True)
class Pretrain:
    """Train a video encoder by masking, on recordings of a camera that moves or stands elsewhere in every episode."""

    data: Path
    folder: Path  # checkpoints, metrics, and encoder.safetensors at the end
    seed: int = 0
    steps: int = 4_000
    camera: str = "side"


@dataclass(frozen=True)
class Frozen:
    """Fit a projector and learn what actions do, on the frozen tokens of a pretrained encoder."""

    data: Path
    encoder: Path  # anything that ``minijepa.load`` opens
    folder: Path  # encoder, view and predictor as ``minijepa.train.world_model.save_world`` writes them
    seed: int = 0
    steps: int = 1_500
    camera: str = "side"


def recorded(path: Path, cameras: tuple[str, ...], extrinsics: bool = False, size: int = 64) -> Clip:
    """Return whole episodes as one clip; the actions are what the arm was told.

    Raises ValueError if the model is to know where the first camera stands and the data do not say so.
    """
    arrays = load_arrays(path, cameras, size, cache=True)
    places = arrays.extrinsics[cameras[0]]
    unknown = int((~places.isfinite()).flatten(1).any(1).sum())
    if extrinsics and unknown:
        raise ValueError(
            f"{path}: expected the place of the camera {cameras[0]} in every episode, as --extrinsics needs it, got none in "
            f"{unknown} of {len(places)}; leave --extrinsics out, or record with minijepa_robot.data.collect"
        )
    return Clip(arrays.views, arrays.commands[:, :-1].float(), arrays.states.float(), places)


def joint(settings: Joint) -> JointModel:
    """Train what ``Joint`` says, and write joint.safetensors."""
    data = recorded(settings.data, settings.cameras, settings.extrinsics)
    run = Run(settings.folder / "joint", settings.seed)
    config = JointConfig(views=settings.cameras, extrinsics=settings.extrinsics, run=run)
    rate = replace(config.optim.rate, decay=settings.steps // 2)
    config = replace(config, optim=replace(config.optim, steps=settings.steps, rate=rate))
    model = train_joint(config, data).model.requires_grad_(False).eval()
    return with_dynamics(model, data, settings.post_steps, settings.extrinsics, settings.folder, settings.seed)


def again(settings: Again) -> JointModel:
    """Train what ``Again`` says, and write joint.safetensors."""
    model = load_joint(settings.model)
    data = recorded(settings.data, model.config.views, settings.extrinsics)
    return with_dynamics(model, data, settings.steps, settings.extrinsics, settings.folder, settings.seed)


def with_dynamics(model: JointModel, data: Clip, steps: int, extrinsics: bool, folder: Path, seed: int) -> JointModel:
    """Give a model, whose encoders stay as they are, a predictor that learnt from these episodes, and write it."""
    cameras = scaled_cameras(data.extrinsics) if extrinsics else None
    known = Transitions(latents(model, data), data.actions / ACTION_SCALE, scaled_poses(data.states), cameras)
    shape = predictor_config(model.config, extrinsics)
    model.predictor = learn_dynamics(shape, known, steps, 1.5e-3, Run(folder / "predictor", seed))
    save_joint(model, folder / "joint.safetensors")
    return model


@torch.no_grad()
def latents(model: JointModel, data: Clip) -> Tensor:
    """Return the latents of whole episodes, (episodes, f, 1, k)."""
    parts = zip(data.states.split(CHUNK), *(data.views[view].split(CHUNK) for view in model.config.views))
    return torch.cat([model.encode(dict(zip(model.config.views, views)), states) for states, *views in parts])


def frozen(settings: Frozen) -> ViewedWorld:
    """Train what ``Frozen`` says, and write the world into its folder."""
    encoder = load(settings.encoder).requires_grad_(False).eval()
    data = recorded(settings.data, (settings.camera,))
    run = Run(settings.folder / "predictor", settings.seed)
    world, view = post_train_frozen(encoder, data, settings.seed, settings.steps, settings.camera, run)
    saved = ViewedWorld(encoder, view, world.predictor, (1, 1))
    save_world(saved, settings.folder)
    return saved


def main(settings: Joint | Again | Pretrain | Frozen) -> None:
    """Run one of the four."""
    if isinstance(settings, Joint):
        joint(settings)
    elif isinstance(settings, Again):
        again(settings)
    elif isinstance(settings, Frozen):
        frozen(settings)
    else:
        data = recorded(settings.data, (settings.camera,)).views[settings.camera]
        run = Run(settings.folder, settings.seed)
        pretrain(pretraining(ArmClips(data, str(settings.data)), settings.steps, run))


if __name__ == "__main__":
    torch.set_num_threads(1)  # so that a run gives the same numbers anywhere
    main(tyro.cli(Joint | Again | Pretrain | Frozen))
