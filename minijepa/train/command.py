"""The command ``python -m minijepa.train.pretrain``: choose by name, then change any number.

The choice is read first, because it decides which settings there are: a tube has other numbers than a multi-block
mask. Then tyro makes one option of every field of the chosen config, with its comment as the help.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from minijepa.data.toy_physics import World
from minijepa.train.batches import FileBatches, ToyBatches
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE, Future, MaskType, Scattered, Tube
from minijepa.train.mixture import from_names
from minijepa.train.objective import Objective, latent_loss, pixel_loss
from minijepa.train.pretrain import PretrainConfig, pretrain
from minijepa.train.recipes import RECIPES, RecipeName

OBJECTIVES: dict[str, Objective] = {"latent": latent_loss, "pixels": pixel_loss}
MASKS: dict[str, MaskType] = {
    "short": SHORT_RANGE,
    "long": LONG_RANGE,
    "tube": Tube(),
    "future": Future(),
    "scattered": Scattered(),
}
MaskName = Literal["short", "long", "tube", "future", "scattered"]
WorldName = Literal["drift", "bounce", "fall", "collide", "occluder", "barrier", "rich"]


@dataclass(frozen=True)
class Choice:
    """Train a video encoder by predicting hidden parts of clips in latent space.

    Every setting below starts from a recipe. A run in a folder goes on where it was stopped; the same command under
    torchrun trains on many processes.
    """

    recipe: RecipeName = "drift"  # toy world, or released primary phase, or the cooldown that follows it
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None  # folder of the run that a cooldown goes on from
    objective: Literal["latent", "pixels"] = "latent"  # predict the teacher's latents, or pixels: the masked autoencoder
    world: WorldName | None = None  # clips of this toy world instead of the recipe's
    videos: tuple[str, ...] = ()  # clips from files instead: a folder or a list of them; or several, each NAME=PATH
    mix: Literal["released", "paper"] = "released"  # weights that the names of --videos stand for; WEIGHT=PATH has its own
    hide: tuple[MaskName, ...] = ()  # mask types instead of the recipe's; each clip is masked once by each


@dataclass(frozen=True)
class Command(Choice):
    """Train a video encoder by predicting hidden parts of clips in latent space."""

    config: Annotated[PretrainConfig, tyro.conf.arg(name="")] = PretrainConfig()


def chosen_config(choice: Choice) -> PretrainConfig:
    """Return the recipe with the chosen clips and masks in it; raise ValueError if there are no clips to train on."""
    config = RECIPES[choice.recipe]()
    if choice.world and choice.videos:
        both = f"{choice.world} and {' '.join(choice.videos)}"
        raise ValueError(f"expected --world or --videos, got both {both}; leave one out")
    data = config.data
    files = isinstance(data, FileBatches)
    frames, size = (data.frames, data.crop) if files else (data.world.frames, data.world.size)
    if choice.world:
        data = ToyBatches(getattr(World, choice.world)(size=size, frames=frames))
    elif choice.videos:
        data = from_names(choice.videos, choice.mix, data if files else FileBatches((), frames, crop=size))
    elif files:
        raise ValueError(f"--recipe {choice.recipe}: expected --videos with a folder or a list, got none; or name a --world")
    return replace(config, data=data, masks=tuple(MASKS[name] for name in choice.hide) or config.masks)


def parse(arguments: Sequence[str] | None = None) -> Command:
    """Read the command line (default: that of this process); raise ValueError for settings that do not go together."""
    config = (tyro.conf.AvoidSubcommands,)
    choice, _ = tyro.cli(Choice, args=arguments, return_unknown_args=True, add_help=False, config=config)
    default = Command(**vars(choice), config=chosen_config(choice))
    command = tyro.cli(Command, args=arguments, default=default, prog="pretrain", config=config)
    if command.objective == "latent":
        return command
    encoder, predictor = command.config.encoder, command.config.predictor
    pixels = 3 * encoder.tubelet * encoder.patch**2  # in a tubelet
    return replace(command, config=replace(command.config, predictor=replace(predictor, output_width=pixels)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; settings that cannot work end it with one line instead of a traceback."""
    try:
        command = parse(arguments)
        pretrain(command.config, OBJECTIVES[command.objective], start=command.start)
    except ValueError as error:
        reason = str(error).splitlines()[-1]  # an error that a worker met brings its traceback as text
        raise SystemExit(f"error: {reason}") from error
