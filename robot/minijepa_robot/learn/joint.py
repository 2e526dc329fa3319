"""An encoder that learns together with its world model: what actions move is kept, all else may be forgotten.

The other way, a frozen masked encoder with an action predictor on top, is ``minijepa.train.post_train``. Here three losses
share the encoder: predict the next latent, tell the actions from two latents, keep the latents spread (PLDM, arXiv 2502.14819).
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from minijepa.config import ActionPredictorConfig
from minijepa.data.video_files import seeded
from minijepa.model.action_predictor import ActionPredictor
from minijepa.plan.pose import difference
from minijepa.train.post_train import action_losses
from minijepa.train.pretrain import Run
from minijepa.train.regularise import variance_covariance
from minijepa.train.run import RunFolder
from minijepa.train.schedule import LearningRate, Optimisation, adamw
from minijepa.train.transitions import Transitions
from minijepa_robot.data.episodes import before_camera

PARTS = ("model", "optimiser")  # what a checkpoint holds
ACTION_SCALE = torch.tensor((0.05, 0.05, 0.05, 0.2, 0.2, 0.2, 0.5))  # metres, radians, closedness: about one std each
PLACE_CENTRE, PLACE_SCALE = torch.tensor((0.475, 0.0, 0.17)), torch.tensor((0.1, 0.15, 0.08))  # metres


@dataclass(frozen=True)
class Weights:
    """Weigh the terms of the loss."""

    inverse: float = 1.0
    predict: float = 0.1  # with 1.0 the wrist's inverse dynamics stood at .52 after 100 steps, with 0.1 at .41 (one run each)
    variance: float = 0.1  # with 1.0, and 0.04 for the covariance, the wrist's stood at .53 after 400 steps, from .65
    covariance: float = 0.004


@dataclass(frozen=True)
class JointConfig:
    """Describe a joint run; the default takes minutes of one core."""

    views: tuple[str, ...] = ("side", "wrist")  # cameras; each has an encoder of its own
    width: int = 32  # channels of a view's latent
    extrinsics: bool = False  # True: the first camera stands anywhere; its view tells moves in its own frame, see ``losses``
    frames: int = 4  # of a training clip
    batch: int = 32  # clips a step
    weigh: Weights = Weights()
    optim: Optimisation = Optimisation(600, LearningRate(1e-4, 1.5e-3, 1e-5, 50, 200), 0.04, clip=1.0)
    run: Run = Run()

    @property
    def channels(self) -> int:
        """Give the channels of a latent: those of the views, and the closedness of the gripper."""
        return len(self.views) * self.width + 1

    @property
    def blocks(self) -> dict[str, slice]:
        """Tell which channels of a latent belong to each view, and to the gripper."""
        views = {view: slice(k * self.width, (k + 1) * self.width) for k, view in enumerate(self.views)}
        return views | {"gripper": slice(self.channels - 1, self.channels)}


class FrameEncoder(nn.Module):
    """Turn a picture of 64 px into one vector: four convolutions that halve it, and a linear layer."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (3, 32, 64, 128, 128)
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1) for i, o in zip(sizes, sizes[1:]))
        self.out = nn.Linear(128 * 4 * 4, width)
        for layer in (*self.layers, self.out):
            fan = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=(2 / fan) ** 0.5 if layer is not self.out else fan**-0.5, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, frames: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b width"]:
        """Return the latents of pictures, each by itself."""
        x = frames.float() / 128 - 1
        for layer in self.layers:
            x = F.gelu(layer(x))
        return self.out(x.flatten(1))


class Clip(NamedTuple):
    """Hold what a step learns from: pictures by view, what was done between them, the poses of the hand and of a camera."""

    views: dict[str, UInt8[Tensor, "b f 3 H W"]]
    actions: Float[Tensor, "b t 7"]  # t = f - 1
    states: Float[Tensor, "b f 7"]
    extrinsics: Float[Tensor, "b f 6"] | None = None  # of the first view's camera


class JointModel(nn.Module):
    """Hold an encoder and an action-reading head a view, and one predictor for the latents of all views as one token."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(config.run.seed)
        self.config = config
        self.eyes = nn.ModuleDict({view: FrameEncoder(config.width, generator) for view in config.views})
        self.heads = nn.ModuleDict({view: InverseHead(config.width, generator) for view in config.views})
        self.predictor = ActionPredictor(predictor_config(config, config.extrinsics), generator)
        self.predictor.extrinsics_encoder.requires_grad_(config.extrinsics)
        self.to(memory_format=torch.channels_last)

    def encode(self, views: dict[str, Tensor], states: Float[Tensor, "b f 7"]) -> Float[Tensor, "b f 1 channels"]:
        """Return the latent of every moment: those of the views side by side, and how closed the gripper is."""
        seen = [self.eyes[view](views[view].flatten(0, 1)).unflatten(0, states.shape[:2]) for view in self.config.views]
        return torch.cat((*seen, states[..., 6:]), -1)[:, :, None]

    def losses(self, clip: Clip) -> dict[str, Float[Tensor, ""]]:
        """Return the terms of the loss, not yet weighed.

        With ``config.extrinsics`` the first view tells moves in its camera's frame, which a picture shows wherever the camera
        stands, and the predictor is told where that is.
        """
        z = self.encode(clip.views, clip.states)
        cameras = scaled_cameras(clip.extrinsics) if self.config.extrinsics else None
        known = Transitions(z, clip.actions / ACTION_SCALE, scaled_poses(clip.states), cameras)
        forcing, rollout = action_losses(self.predictor, known, (1, 1), 2, as_is)
        found = {"forcing": forcing, "rollout": rollout}
        first, second = torch.triu_indices(*[clip.states.shape[1]] * 2, offset=1)
        for k, view in enumerate(self.config.views):
            own = self.config.extrinsics and k == 0
            poses = before_camera(clip.states, clip.extrinsics) if own else clip.states
            moved = difference(poses[:, first], poses[:, second]) / ACTION_SCALE
            h = z[:, :, 0, self.config.blocks[view]]
            told, doubt = self.heads[view](h[:, first], h[:, second])
            terms = {"inverse": ((told - moved).abs() * (-doubt).exp() + doubt).mean()}
            terms |= variance_covariance(h.flatten(0, 1))._asdict()
            for name, term in terms.items():
                found[f"{view} {name}"] = term
        return found


def scaled_poses(poses: Float[Tensor, "*b 7"]) -> Float[Tensor, "*b 7"]:
    """Bring poses to a scale of one; of the angles only the sines, which do not jump where an angle passes pi."""
    return torch.cat(((poses[..., :3] - PLACE_CENTRE) / PLACE_SCALE, poses[..., 3:6].sin(), poses[..., 6:] - 0.5), -1)


def scaled_cameras(extrinsics: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 6"]:
    """Bring the poses of cameras, which stand about a metre away, to a scale of one."""
    return torch.cat((extrinsics[..., :3] - PLACE_CENTRE, extrinsics[..., 3:].sin()), -1)


def predictor_config(config: JointConfig, extrinsics: bool) -> ActionPredictorConfig:
    """Return the shape of the predictor: all views are one token."""
    shape = ActionPredictorConfig(config.channels, 256, 2, 4, residual=True, rope="textbook")
    return replace(shape, extrinsics=extrinsics)


def as_is(predicted: Tensor) -> Tensor:
    """Return a prediction as it is: these latents are not layer-normed."""
    return predicted


class InverseHead(nn.Module):
    """Tell seven action channels from two latents, and how far they can be trusted.

    What was done is linear in the difference of the latents, so an action must be a straight step in the latent, whatever the
    place: that makes distances in the latent follow distances in the room. Where a view shows nothing that moves, no action
    can be told; the doubt, the log of the expected error, keeps such pairs from drowning the others.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.moved, self.doubt = nn.Linear(width, 7, bias=False), nn.Linear(width, 1)
        nn.init.normal_(self.moved.weight, std=width**-0.5, generator=generator)
        nn.init.zeros_(self.doubt.weight)
        nn.init.zeros_(self.doubt.bias)

    def forward(self, first: Float[Tensor, "*b width"], second: Float[Tensor, "*b width"]) -> tuple[Tensor, Tensor]:
        """Return what was done between two latents, in units of ``ACTION_SCALE``, and the doubt."""
        return self.moved(second - first), (self.doubt(first) + self.doubt(second)).clamp(-4, 3)


@dataclass
class State:
    """Hold everything that changes during a run."""

    model: JointModel
    optimiser: torch.optim.AdamW
    step: int = 0


def train_joint(config: JointConfig, data: Clip, watch: Callable[[State], None] | None = None, every: int = 100) -> State:
    """Train from the last checkpoint of the run, or from the beginning, to the last step.

    data: whole episodes; every step cuts clips out of them. watch: called with the state every so many steps, and at the end.
    A run that is stopped and started again ends with the same weights, bit by bit.
    """
    model = JointModel(config)
    state = State(model, adamw([model], config.optim))
    folder = RunFolder(config.run.folder, settings(config, data), True, PARTS)
    state.step = folder.restore(state)
    started = time.perf_counter() - folder.seconds
    steps = range(state.step, config.optim.steps)
    for step in tqdm(steps, initial=state.step, total=config.optim.steps, disable=config.run.quiet, unit="step"):
        if watch and step % every == 0:
            watch(state)
        losses = train_step(state, draw(data, config, step))
        last = state.step == config.optim.steps
        if state.step % config.run.log_every == 0 or last:
            seconds = {"step": state.step, "seconds": time.perf_counter() - started}
            folder.log(seconds | {name: float(loss.detach()) for name, loss in losses.items()})
        if state.step % config.run.save_every == 0 or last:
            folder.save(state, time.perf_counter() - started)
    if watch:
        watch(state)
    model.eval()
    return state


def train_step(state: State, clip: Clip) -> dict[str, Tensor]:
    """Take one optimiser step and return the terms of the loss."""
    config = state.model.config
    losses = state.model.train().losses(clip)
    weights = asdict(config.weigh) | {"forcing": config.weigh.predict, "rollout": config.weigh.predict}
    for group in state.optimiser.param_groups:
        group["lr"] = config.optim.rate.at(state.step, config.optim.steps)
    state.optimiser.zero_grad()
    sum(weights[name.split()[-1]] * loss for name, loss in losses.items()).backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), config.optim.clip)
    state.optimiser.step()
    state.step += 1
    return losses


def draw(data: Clip, config: JointConfig, step: int) -> Clip:
    """Cut the clips of a step out of the episodes."""
    generator, (count, frames) = seeded(config.run.seed, step), data.states.shape[:2]
    rows = torch.randint(count, (config.batch, 1), generator=generator)
    first = torch.randint(frames - config.frames + 1, (config.batch, 1), generator=generator)
    at = first + torch.arange(config.frames)
    views = {view: data.views[view][rows, at] for view in config.views}
    cameras = None if data.extrinsics is None else data.extrinsics[rows, at]
    return Clip(views, data.actions[rows, at[:, :-1]], data.states[rows, at], cameras)


def settings(config: JointConfig, data: Clip) -> str:
    """Describe all that decides the weights of a run, the data by its size and sum."""
    facts = f"{tuple(data.states.shape)}-{data.states.double().sum().item():.6f}"
    return f"episodes {facts}, {replace(config, run=Run(seed=config.run.seed))!r}"
