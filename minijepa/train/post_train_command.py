"""The command ``python -m minijepa.train.post_train``: encode once, then learn what actions do.

A recipe is chosen first; every other number is an option. To add one, write its function and name it in ``RECIPES`` and
``RecipeName``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from minijepa.data.toy_reach import ReachWorld
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load
from minijepa.train.feature_cache import FeatureCache, ReachRecordings, encoder_hash, write_features
from minijepa.train.latent_view import ViewConfig, fit_view
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.pretrain import Run
from minijepa.train.processes import Processes
from minijepa.train.world_model import ViewedWorld, save_world

RecipeName = Literal["plane", "ac-vit-g"]
PLANE_ENCODER = "data_samples/checkpoints/reach/encoder.safetensors"
FIRST_SEED = 100  # of the episodes, which keeps them apart from the clips of pretraining


def plane() -> PostTrainConfig:
    """Return the run of the toy plane: two projected numbers a frame, seconds on one core."""
    return replace(PostTrainConfig.toy(width=2, grid=(1, 1), steps=300), run=Run(Path("runs/plane"), save_every=100))


def ac_vit_g() -> PostTrainConfig:
    """Return the released run of V-JEPA 2-AC: 94,500 steps of 256 sequences on features of ViT-g.

    Numbers of facebookresearch/vjepa2 ``app/vjepa_droid``: 32 GPUs, 8 sequences each, 8 frames a sequence. ``recompute``
    saves memory and changes no number.
    """
    config = PostTrainConfig()
    return replace(config, optim=replace(config.optim, recompute=True), run=Run(Path("runs/ac-vit-g"), 239, 300, device="cuda"))


RECIPES: dict[RecipeName, Callable[[], PostTrainConfig]] = {"plane": plane, "ac-vit-g": ac_vit_g}


@dataclass(frozen=True)
class Choice:
    """Learn what actions do, in the features of a frozen encoder.

    Every setting below starts from a recipe. Features are encoded once and kept on disk. A run in a folder goes on where it
    was stopped; the same command under torchrun trains on many processes.
    """

    recipe: RecipeName = "plane"  # toy world, made here; or V-JEPA 2-AC as released, on features that are there
    encoder: str | None = None  # what minijepa.load opens; the features must be its own. plane: the shipped one
    features: Path | None = None  # folder of the features; plane writes them, and has them in its run folder by default
    frames: int | None = None  # of a sequence; plane: 5, ac-vit-g: 8
    episodes: int = 2_400  # of the random policy, where they are made here


@dataclass(frozen=True)
class Command(Choice):
    """Learn what actions do, in the features of a frozen encoder."""

    config: Annotated[PostTrainConfig, tyro.conf.arg(name="")] = PostTrainConfig()


def parse(arguments: Sequence[str] | None = None) -> Command:
    """Read the command line (default: that of this process)."""
    options = (tyro.conf.AvoidSubcommands,)
    choice, _ = tyro.cli(Choice, args=arguments, return_unknown_args=True, add_help=False, config=options)
    default = Command(**vars(choice), config=RECIPES[choice.recipe]())
    return tyro.cli(Command, args=arguments, default=default, prog="post_train", config=options)


def opened_encoder(name: str) -> VideoEncoder:
    """Open the frozen encoder; raise ValueError if it is something else."""
    encoder = load(name)
    if not isinstance(encoder, VideoEncoder):
        raise ValueError(f"--encoder: expected an encoder, got a {type(encoder).__name__} in {name}")
    return encoder.requires_grad_(False)


def run_plane(command: Command) -> None:
    """Let the random policy act, encode what it saw, fit the view, learn what actions do, and write a world model.

    The folder of the run then holds what ``load_world`` opens. Numbers are those of ``study.reach`` for the same seed.
    """
    config, frames = command.config, command.frames or 5
    folder = config.run.folder
    if folder is None:
        raise ValueError("--run.folder: expected a folder for the world model, got none; name one")
    encoder, features = opened_encoder(command.encoder or PLANE_ENCODER), command.features or folder / "features"
    recordings = ReachRecordings(ReachWorld(), command.episodes, frames - 1, "train", FIRST_SEED + config.run.seed)
    with Processes.join(config.run.device) as processes:
        write_features(features, encoder, recordings, rank=processes.rank, world=processes.world, quiet=config.run.quiet)
        processes.union([])  # nobody reads before everybody has written
        known = FeatureCache(features, frames).load()
        view = fit_view(ViewConfig("inverse"), known, config.run.seed)
        with torch.no_grad():
            known = replace(known, latents=view(known.latents))
        predictor = post_train(config, known, view.finish).predictor.cpu()
        if processes.rank == 0:
            save_world(ViewedWorld(encoder, view, predictor, config.grid), folder)


def run_released(command: Command) -> None:
    """Learn from features on disk, which are layer-normed tokens, as the released model does.

    Raises ValueError if there is no cache, or one of another encoder, or of another width or grid.
    """
    config = command.config
    if command.features is None:
        raise ValueError(
            f"--features: expected the folder of a cache, got none; python -m minijepa_robot.learn.features "
            f"makes one from recorded episodes, and recipe {command.recipe} has none of its own"
        )
    cache = FeatureCache(command.features, command.frames or 8)
    if command.encoder is not None and encoder_hash(opened_encoder(command.encoder)) != cache.encoder:
        raise ValueError(f"--features: expected those of {command.encoder}, got those of encoder {cache.encoder}")
    there, asked = cache.shape, (config.grid[0] * config.grid[1], config.predictor.encoder_width)
    if there != asked:
        raise ValueError(f"{cache.folder}: expected frames of (tokens, width) {asked}, got {there}; set --grid and --predictor")
    post_train(config, cache)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; settings that cannot work end it with one line instead of a traceback."""
    try:
        command = parse(arguments)
        run_plane(command) if command.recipe == "plane" else run_released(command)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from error
