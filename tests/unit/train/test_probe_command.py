"""The probe command runs on a toy world and on labelled videos, and leaves what its figures need."""

import csv

import numpy as np
import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import write_clip
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import load, save
from minijepa.train.probe_command import main

FEW = "--recipe.rates 0.003 0.001 --recipe.decays 0.01 --recipe.depth 1 --recipe.attention-heads 2 --recipe.epochs 1".split()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    network = VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0))
    return str(save(network, tmp_path_factory.mktemp("encoder") / "encoder.safetensors"))


def rows(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "heads.csv").open()))


def test_a_toy_world(encoder, tmp_path, capsys):
    main(["toy", "--encoder", encoder, "--folder", str(tmp_path), "--clips", "24", "12", "16", "--label", "speed", *FEW])
    assert "on 16 test clips: best of 2 heads on 12 validation clips" in capsys.readouterr().out
    assert [(row["rate"], row["decay"]) for row in rows(tmp_path)] == [("0.003", "0.01"), ("0.001", "0.01")]
    probe = load(tmp_path / "probe.safetensors")
    assert isinstance(probe, AttentiveProbe) and probe.config.classes == 3 and probe.config.depth == 1


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Write ten training and four validation videos as a list of "path label"."""
    root = tmp_path_factory.mktemp("videos")
    for split, count in (("train", 10), ("validation", 4)):
        clips = sample(World.drift(), count, split_generator(split, 0))
        lines = [f"{split}_{i}.mp4 {int(label)}" for i, label in enumerate(clips.labels["speed"])]
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
        for i, clip in enumerate(clips.video):
            write_clip(root / f"{split}_{i}.mp4", clip)
    return root


def ask(encoder: str, videos, folder, *more: str) -> list[str]:
    where = ["videos", "--encoder", encoder, "--root", str(videos), "--dataset", "kinetics", "--folder", str(folder)]
    cut = "--cut.frames 4 --cut.stride 1 --cut.segments 2 --cut.views 2 --cut.crop 32".split()
    return [*where, *cut, *FEW, *more]


def test_labelled_videos(encoder, videos, tmp_path, capsys):
    main(ask(encoder, videos, tmp_path, "--choose-on", "0.3", "--layers", "1", "2"))
    assert "on 4 test clips: best of 2 heads on 3 validation clips" in capsys.readouterr().out
    shapes = {p.stem: np.load(p).shape for p in tmp_path.glob("*.npy")}
    tokens = 2 * 2 * 2 * 16  # segments x layers x time steps x patches
    assert shapes == {"train": (7, 2, tokens, 64), "validation": (3, 2, tokens, 64), "test": (4, 2, tokens, 64)}
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npy")}
    main(ask(encoder, videos, tmp_path, "--choose-on", "0.3", "--layers", "1", "2"))
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npy")}  # the second run reads them


def test_the_released_choice_is_named_as_such(encoder, videos, tmp_path, capsys):
    main(ask(encoder, videos, tmp_path, "--choose-on", "0"))
    assert "best of 2 heads on these same clips, so the score is too high" in capsys.readouterr().out


def test_other_settings_do_not_read_old_tokens(encoder, videos, tmp_path):
    main(ask(encoder, videos, tmp_path))
    with pytest.raises(SystemExit, match="error: .*expected tokens of"):
        main(ask(encoder, videos, tmp_path, "--cut.stride", "2"))


def test_a_label_that_the_world_lacks(encoder, tmp_path):
    with pytest.raises(
        SystemExit, match="error: --label: expected one of direction, speed, shape in the world drift, got gravity"
    ):
        main(["toy", "--encoder", encoder, "--folder", str(tmp_path), "--label", "gravity", *FEW])


def test_a_predictor_is_no_encoder(tmp_path):
    path = save(MaskedPredictor(PredictorConfig.tiny()), tmp_path / "predictor.safetensors")
    with pytest.raises(SystemExit, match="error: --encoder: expected an encoder, got a MaskedPredictor"):
        main(["toy", "--encoder", str(path), "--folder", str(tmp_path), *FEW])
