"""Learn what actions do to latents that are frozen: the second stage of both ways, the joint one and the paper's."""

import torch

from minijepa.config import ActionPredictorConfig
from minijepa.model.action_predictor import ActionPredictor
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.pretrain import Run
from minijepa.train.schedule import LearningRate, Optimisation
from minijepa.train.transitions import Transitions
from minijepa_robot.learn.joint import as_is

STEPS = 4  # actions in a sequence


def learn_dynamics(
    predictor: ActionPredictorConfig, episodes: Transitions, steps: int, peak: float, run: Run
) -> ActionPredictor:
    """Train a new predictor on whole episodes of latents, for so many steps and up to a learning rate of ``peak``."""
    rate = LearningRate(0.0, peak, 1e-5, 50, steps // 2)
    config = PostTrainConfig(predictor, (1, 1), batch=64, optim=Optimisation(steps, rate, 0.04, clip=1.0), run=run)
    return post_train(config, cut(episodes, STEPS), as_is).predictor


def cut(known: Transitions, steps: int) -> Transitions:
    """Cut episodes into sequences of so many actions, as many as fit."""
    count = known.actions.shape[1] // steps
    at = (torch.arange(count) * steps)[:, None] + torch.arange(steps + 1)
    actions = known.actions[:, at[:, :-1]].flatten(0, 1)
    latents, states = known.latents[:, at].flatten(0, 1), known.states[:, at].flatten(0, 1)
    extrinsics = None if known.extrinsics is None else known.extrinsics[:, at].flatten(0, 1)
    return Transitions(latents, actions, states, extrinsics)
