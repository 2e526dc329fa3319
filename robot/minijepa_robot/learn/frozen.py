"""The paper's way on the arm: pretrain a video encoder by masking, freeze it, and learn what actions do in its latents.

``ArmClips`` feeds ``minijepa.train.pretrain``; ``post_train_frozen`` encodes every frame once, fits a projector to the tokens
and learns on both with ``dynamics``. Nothing here is special to small encoders: a ViT-g goes the same way.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.config import ActionPredictorConfig, EncoderConfig, PredictorConfig
from minijepa.data.video_files import seeded
from minijepa.model.encoder import VideoEncoder
from minijepa.train.latent_view import LatentView, ViewConfig, fit_view
from minijepa.train.pretrain import PretrainConfig, Run
from minijepa.train.schedule import LearningRate, Optimisation
from minijepa.train.transitions import Transitions, frame_tokens
from minijepa_robot.learn.dynamics import learn_dynamics
from minijepa_robot.learn.joint import ACTION_SCALE, Clip, scaled_poses
from minijepa_robot.learn.world import ArmWorld, frozen_world

HAND = (0, 1, 2)  # channels of an action that the projector tells; the gripper is measured


@dataclass(frozen=True)
class ArmClips:
    """Cut pretraining clips out of recorded episodes; every picture is shown ``hold`` times, as in post-training."""

    episodes: UInt8[Tensor, "episodes f 3 H W"] = field(repr=False)
    name: str  # of the recording, so that a run knows whether it goes on with the same one
    frames: int = 8  # in a clip
    hold: int = 2  # frames that each picture is shown

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> UInt8[Tensor, "b 3 f H W"]:
        """Return these rows of a step's batch."""
        generator, long = seeded(seed, step), self.frames // self.hold
        chosen = torch.randint(len(self.episodes), (batch, 1), generator=generator)[rows]
        first = torch.randint(self.episodes.shape[1] - long + 1, (batch, 1), generator=generator)[rows]
        pictures = self.episodes[chosen, first + torch.arange(long)]  # (b, long, 3, H, W)
        return pictures.transpose(1, 2).repeat_interleave(self.hold, dim=2).contiguous()

    def skipped(self) -> list[str]:
        """Return nothing: the episodes were read before."""
        return []


def pretraining(data: ArmClips, steps: int, run: Run) -> PretrainConfig:
    """Return the pretraining run of the arm: pictures of 64 px in patches of 8, a small ViT, masks of the toy worlds."""
    encoder = replace(EncoderConfig.tiny(), width=96, depth=4, heads=4)
    predictor = replace(PredictorConfig.tiny(), encoder_width=96)
    rate = LearningRate(0.0, 1e-3, 1e-4, 200, steps // 5)
    optim = Optimisation(steps, rate, 0.05, (0.9, 0.98), clip=1.0, momentum=(0.99, 0.9995))
    return PretrainConfig(encoder, predictor, data=data, batch=24, optim=optim, run=run)


@torch.no_grad()
def encode_frames(encoder: VideoEncoder, episodes: UInt8[Tensor, "episodes f 3 H W"], chunk: int = 16) -> Tensor:
    """Return the layer-normed tokens of every frame by itself, (episodes, f, n, d)."""
    return torch.cat([frame_tokens(encoder, some.flatten(0, 1)).unflatten(0, some.shape[:2]) for some in episodes.split(chunk)])


def post_train_frozen(
    encoder: VideoEncoder, data: Clip, seed: int, steps: int = 600, camera: str = "side", run: Run | None = None
) -> tuple[ArmWorld, LatentView]:
    """Fit the projector, learn what actions do to its latents, and return the world that a planner imagines in.

    The projector solves linear inverse dynamics on the tokens, ``train.latent_view``; its latents and the gripper's
    closedness are what the predictor sees.
    """
    tokens = encode_frames(encoder, data.views[camera])
    used = [channel for channel in HAND if data.actions[..., channel].std() > 0]  # one that never acts has no direction
    moved = (data.actions / ACTION_SCALE)[..., used]
    view = fit_view(ViewConfig("inverse"), Transitions(tokens, moved, data.states), seed)
    with torch.no_grad():
        latents = torch.cat((view(tokens), data.states[..., None, 6:]), -1)
    known = Transitions(latents, data.actions / ACTION_SCALE, scaled_poses(data.states))
    shape = ActionPredictorConfig(latents.shape[-1], 128, 2, 4, residual=True, rope="textbook")
    predictor = learn_dynamics(shape, known, steps, 2e-3, run or Run(seed=seed, quiet=True))
    return frozen_world(encoder, view, predictor, camera), view
