"""Does it reach the goal? Pretrain, post-train and plan in the plane of ``data.toy_reach``, and count.

``python -m minijepa.study.reach --seed 0`` writes one row for each way of acting into data_samples/runs/reach. With
``--encoder random`` the encoder stays as it was built, and all else is the same: what pretraining is worth.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import torch
import tyro

from minijepa.config import EncoderConfig
from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import ReachWorld, Tasks, sample_tasks
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load
from minijepa.study.reach_play import ARMS, Arm, play, summary
from minijepa.study.track import Row
from minijepa.train.latent_view import ViewConfig, fit_view
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.pretrain import PretrainConfig, Run, pretrain
from minijepa.train.run import write_table
from minijepa.train.schedule import LearningRate
from minijepa.train.transitions import ReachClips, Transitions, encode_episodes
from minijepa.train.world_model import ViewedWorld, save_world

Worlds = Literal["validation", "test", "test_open"]
Form = Literal["released", "standardised", "inverse", "projected"]
EPISODES, STEPS = 2_400, 4  # of the random policy that post-training sees, and actions in each
POST_STEPS = 300  # of the action predictor
TIME = 20  # actions that an episode of planning has


@dataclass(frozen=True)
class Reach:
    """Choose an encoder, the latents and the arms; everything is a function of the seed."""

    seed: int = 0  # of pretraining, post-training and random policy
    encoder: str = "pretrained"  # "pretrained", "random", or a file that minijepa.load opens
    form: Form = "inverse"  # latents in which the model predicts
    arms: tuple[Arm, ...] = ("plan", "restless", "random")
    worlds: tuple[Worlds, ...] = ("test", "test_open")  # "validation": to choose settings in; "open": without the wall
    episodes: int = 100  # of planning, each a new world; the same for all seeds, encoders and arms
    work: Path = Path("runs/reach")  # checkpoints of the training runs, which go on where they were stopped
    folder: Path = Path("data_samples/runs/reach")  # the table is written there


def pretraining(seed: int, folder: Path | None = None) -> PretrainConfig:
    """Return the pretraining run of the plane."""
    config = PretrainConfig(data=ReachClips(), run=Run(folder, seed, save_every=100))
    return replace(config, optim=replace(config.optim, steps=700, rate=LearningRate(0.0, 3e-3, 1e-4, 50, 150)))


def chosen_encoder(settings: Reach) -> VideoEncoder:
    """Return the frozen encoder: trained, left as it was built, or read from a file."""
    if settings.encoder == "random":
        return VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(settings.seed)).eval()
    if settings.encoder == "pretrained":
        return pretrain(pretraining(settings.seed, settings.work / f"encoder_s{settings.seed}")).teacher.eval()
    return load(settings.encoder)


def build(
    encoder: VideoEncoder, form: Form, seed: int, known: Transitions | None = None, steps: int | None = None
) -> ViewedWorld:
    """Post-train an action model on a frozen encoder: encode the random policy once, fit the view, learn what actions do.

    known: encoded episodes, where there are some already. steps: of the predictor; None: POST_STEPS.
    """
    known = known or encode_episodes(encoder, ReachWorld(), EPISODES, STEPS, "train", 100 + seed)
    view = fit_view(ViewConfig(form), known, seed)
    with torch.no_grad():
        latents = view(known.latents)
    side = 32 // encoder.config.patch
    grid = (1, 1) if view.projector else (side, side)
    config = PostTrainConfig.toy(view.width, grid, steps or POST_STEPS)
    config = replace(config, run=Run(seed=seed, quiet=True), predictor=replace(config.predictor, residual=form != "released"))
    state = post_train(config, replace(known, latents=latents), view.finish)
    return ViewedWorld(encoder, view, state.predictor, grid)


def tasks(split: str, episodes: int, world: ReachWorld | None = None) -> Tasks:
    """Return the start-goal pairs of a split, up to the whole box apart."""
    return sample_tasks(world or ReachWorld(), episodes, TIME, split_generator(split, 0))


def reach(settings: Reach) -> list[Row]:
    """Train what is missing, act in every arm, and write the table after each arm."""
    name = Path(settings.encoder).stem
    rows: list[Row] = []
    for row in measure(settings):
        facts: Row = {"seed": settings.seed, "encoder": name, "form": settings.form}
        rows.append(facts | row)
        write_table(settings.folder / f"{name}_{settings.form}_s{settings.seed}.csv", rows)
    return rows


def measure(settings: Reach) -> Iterator[Row]:
    """Give one row for each world and arm."""
    encoder = chosen_encoder(settings)
    start = time.process_time()
    model = build(encoder, settings.form, settings.seed)
    trained = round(time.process_time() - start, 1)
    save_world(model, settings.work / f"{Path(settings.encoder).stem}_{settings.form}_s{settings.seed}")
    for name, arm in product(settings.worlds, settings.arms):
        split, wall = name.removesuffix("_open"), not name.endswith("_open")
        world = ReachWorld() if wall else ReachWorld(wall=(0.0, 0.0))
        played = play(ARMS[arm], world, tasks(split, settings.episodes, world), model, settings.seed)
        facts: Row = {"split": split, "wall": int(wall), "arm": arm}
        yield facts | summary(played, world.radius) | {"post_training_cpu_seconds": trained}


if __name__ == "__main__":
    torch.set_num_threads(1)  # so that a run gives the same numbers anywhere
    reach(tyro.cli(Reach))
