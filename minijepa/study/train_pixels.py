"""Train the pixel world models as the latent one is trained: the same random policy, no fewer steps, as many parameters.

The latent model takes optimiser steps for its encoder and for its predictor; a pixel model is one network and takes them all.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from minijepa.config import ActionPredictorConfig
from minijepa.data.toy_reach import ReachWorld
from minijepa.data.video_files import seeded
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.weights import load, save
from minijepa.study.pixel_world import FlowWorld, PixelWorld, cut, flow_loss, patch_side, pixel_predictor
from minijepa.study.reach import STEPS
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.pretrain import Run
from minijepa.train.transitions import Transitions, reach_episodes

Kind = Literal["regression", "flow"]
# Both are more than the latent model has: it is post-trained on 2,400 episodes, and its encoder takes 700 steps on pictures
# of other episodes, its predictor 300. What is more is in favour of the rival.
PIXEL_EPISODES, PIXEL_STEPS = 6_000, 1_700
FLOW_STREAM = 3  # keeps the noise of the flow apart from the draws of the same seed


def pixel_pairs(patch: int, seed: int, episodes: int = PIXEL_EPISODES) -> Transitions:
    """Let the random policy act and keep its transitions, two pictures and an action each.

    They are drawn as those of the latent model of this seed are, and are more.
    """
    parts = []
    for drawn in reach_episodes(ReachWorld(), episodes, STEPS, "train", 100 + seed):
        frames = drawn.video.transpose(1, 2)  # (b, f, 3, H, W)
        pixels = cut(frames.flatten(0, 1), patch).unflatten(0, frames.shape[:2])
        latents, states = (torch.stack((x[:, :-1], x[:, 1:]), 2).flatten(0, 1) for x in (pixels, drawn.states))
        parts.append((latents, drawn.actions.flatten(0, 1)[:, None], states))
    return Transitions(*(torch.cat(part) for part in zip(*parts)))


def training(config: ActionPredictorConfig, run: Run, steps: int | None = None) -> PostTrainConfig:
    """Return the post-training run of the plane for another network: as many transitions a step, but one by one.

    steps: of the optimiser; None: PIXEL_STEPS.
    """
    grid = (ReachWorld().size // patch_side(config),) * 2
    post = PostTrainConfig.toy(config.encoder_width, grid, steps or PIXEL_STEPS)
    return replace(post, predictor=config, run=run, batch=post.batch * STEPS, auto_steps=1)


def same(predicted: Tensor) -> Tensor:
    """Return a prediction as it is: pictures are not layer-normed."""
    return predicted


def train_pixels(kind: Kind, seed: int, known: Transitions, config: PostTrainConfig) -> PixelWorld:
    """Train a pixel world model; regression is ``post_train`` on patches of pixels, its loss and schedule unchanged."""
    if kind == "regression":
        return PixelWorld(post_train(config, known, same).predictor, config.grid)
    return FlowWorld(train_flow(config, known), config.grid, seed=seed)


def train_flow(config: PostTrainConfig, known: Transitions) -> ActionPredictor:
    """Train a flow with the batches, the schedule and the optimiser of ``post_train``; only the loss is another."""

    def flow(predictor: nn.Module, drawn: Transitions, step: int) -> dict[str, Tensor]:
        now, after = drawn.latents.unbind(1)
        given, noise = (drawn.actions[:, 0], drawn.states[:, 0]), seeded(config.run.seed, step, FLOW_STREAM)
        return {"loss": flow_loss(predictor, now, after, given, config.grid, noise)}

    return post_train(config, known, loss=flow).predictor


def pixel_world(kind: Kind, seed: int, folder: Path) -> PixelWorld:
    """Open the pixel model of a seed, folder/KIND_sSEED.safetensors, or train and save it."""
    file, config = folder / f"{kind}_s{seed}.safetensors", pixel_predictor(flow=kind == "flow")
    run = training(config, Run(folder / f"{kind}_s{seed}", seed, save_every=100, quiet=True))
    if not file.exists():
        model = train_pixels(kind, seed, pixel_pairs(patch_side(config), seed), run)
        save(model.predictor, file)
        return model
    predictor = load(file).eval()
    return PixelWorld(predictor, run.grid) if kind == "regression" else FlowWorld(predictor, run.grid, seed=seed)
