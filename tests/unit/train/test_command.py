"""The command says what it does, offers every setting, and refuses bad ones in one line."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.toy_physics import World
from minijepa.train.batches import FileBatches, ToyBatches
from minijepa.train.command import main, parse
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE, Future, Scattered, Tube
from minijepa.train.pretrain import PretrainConfig
from minijepa.train.recipes import RECIPES, RecipeName


def test_nothing_asked_is_the_first_run_of_the_course():
    command = parse([])
    assert command.config == PretrainConfig() and command.objective == "latent"


def test_every_number_can_be_changed():
    config = parse(
        "--batch 7 --encoder.depth 5 --masks.0.visible 0.5 --data.world.look.noise 0.3 --optim.rate.peak 0.01 --run.quiet"
        " --run.folder runs/a --optim.clip None".split()
    ).config
    assert (config.batch, config.encoder.depth, config.masks[0]) == (7, 5, Tube(0.5))
    assert (config.data.world.look.noise, config.optim.rate.peak, config.run.quiet) == (0.3, 0.01, True)
    assert config.run.folder == Path("runs/a") and config.optim.clip is None


def test_world_masks_and_objective_by_name():
    command = parse("--world rich --hide short future scattered --objective pixels".split())
    assert command.config.masks == (SHORT_RANGE, Future(), Scattered())
    assert command.config.data == ToyBatches(World.rich(size=32, frames=8))
    assert command.config.predictor.output_width == 3 * 2 * 8 * 8
    assert parse("--objective pixels --encoder.patch 4".split()).config.predictor.output_width == 3 * 2 * 4 * 4
    assert parse("--hide long --masks.0.blocks 3".split()).config.masks == (replace(LONG_RANGE, blocks=3),)


def test_videos_keep_the_clip_size_of_the_recipe():
    config = parse("--videos clips --data.fps 8".split()).config
    assert config.data == FileBatches(Path("clips"), frames=8, fps=8, crop=32)


@pytest.mark.parametrize("name, size", [("vit-l", "vit_l"), ("vit-h", "vit_h"), ("vit-g", "vit_g")])
def test_released_primary_phase(name, size):
    config = parse(["--recipe", name, "--videos", "clips"]).config
    assert config.encoder == getattr(EncoderConfig, size)() and config.predictor == PredictorConfig.released(config.encoder)
    assert config.masks == (SHORT_RANGE, LONG_RANGE) and config.batch == 3_072
    assert (config.data.frames, config.data.fps, config.data.crop) == (16, 4, 256)
    assert config.data.augment.scale == (0.3, 1.0) and config.data.short == "repeat"
    assert config.optim.steps == 240_000 and config.mask_group == 24


@pytest.mark.parametrize(
    "name, size, crop, clips",
    [
        ("cooldown-vit-l", "vit_l", 256, 12),
        ("cooldown-vit-h", "vit_h", 256, 12),
        ("cooldown-vit-g", "vit_g", 256, 6),
        ("cooldown-vit-g-384", "vit_g_384", 384, 6),
    ],
)
def test_released_cooldown(name, size, crop, clips):
    command = parse(["--recipe", name, "--videos", "clips", "--from", "runs/primary"])
    config, primary = command.config, parse(["--recipe", "vit-l", "--videos", "clips"]).config
    assert command.start == Path("runs/primary") and config.encoder == getattr(EncoderConfig, size)()
    assert (config.data.frames, config.data.fps, config.data.crop, config.mask_group) == (64, 4, crop, clips)
    assert (config.batch, config.masks, config.optim.steps) == (3_072, primary.masks, 12_000)
    rates = [config.optim.rate.at(step, 12_000) for step in (0, 5_999, 11_999)]
    assert rates == pytest.approx([5.25e-4, 3.154e-4, 1.058e-4], rel=1e-3)  # 1e-6 would come after 15,000 steps
    assert replace(config.optim, steps=0, rate=primary.optim.rate) == replace(primary.optim, steps=0)


def test_every_recipe_is_a_config():
    assert set(get_args(RecipeName)) == set(RECIPES)
    assert all(isinstance(recipe(), PretrainConfig) for recipe in RECIPES.values())


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    for words in ("--recipe", "--optim.rate.peak", "after the warm-up", "--masks.0.visible", "--data.world.look.noise"):
        assert words in text
    assert "{fixed}" not in text and "--config" not in text


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--encoder.width 128", "encoder_width 64"),
        ("--recipe vit-l", "--videos"),
        ("--from /no/run --run.quiet", "/no/run: expected the folder of a run"),
        ("--run.shard --run.quiet", "torchrun"),
        ("--mask-group 5 --run.quiet", "got 5"),
        ("--world rich --videos x", "leave one out"),
        ("--encoder.patch 5 --run.quiet --optim.steps 1", "multiples"),
        ("--videos /no/such/folder --run.quiet", "/no/such/folder"),
    ],
)
def test_bad_settings_end_with_one_line(arguments, words):
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    message = str(caught.value.code)
    assert message.startswith("error: ") and words in message and "\n" not in message


@pytest.mark.parametrize(
    "arguments, words", [("--optim.stps 3", "--optim.stps"), ("--encoder.heads 5", "got width=64, heads=5")]
)
def test_options_that_cannot_be_are_named(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    said = capsys.readouterr().err
    assert caught.value.code == 2 and words in said.replace("\n", " ").replace("│ ", "") and "Traceback" not in said


def test_error_of_a_worker_is_one_line_too(tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(SystemExit, match="in a row could not be used") as caught:
        main(["--videos", str(tmp_path), "--run.workers", "1", "--run.quiet", "--batch", "2"])
    assert "\n" not in str(caught.value.code)


def test_main_trains(tmp_path):
    main(["--optim.steps", "2", "--batch", "4", "--run.quiet", "--run.folder", str(tmp_path)])
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2
    assert {"encoder.safetensors", "predictor.safetensors", "metrics.csv"} <= {path.name for path in tmp_path.iterdir()}
