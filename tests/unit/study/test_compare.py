"""Arms share everything but what they are asked for, and one that was killed goes on to the same weights."""

from dataclasses import replace

import pytest
import torch

from minijepa.model.weights import load
from minijepa.study import compare
from minijepa.study.compare import Compare, checkpoints, compare_arm, output, pretrain_config
from minijepa.study.dense import Dense
from minijepa.study.track import probe_clips
from minijepa.train.objective import latent_loss, pixel_loss
from tests.unit.train.tiny import Stopped


@pytest.fixture(autouse=True)
def few_clips(monkeypatch):
    few = {"train": 150, "validation": 50, "test": 50}
    monkeypatch.setattr(compare, "probe_clips", lambda world, seed: probe_clips(world, seed, few))


def asked(tmp_path, **changes):
    return replace(Compare(steps=4, probe_every=2, labelled_clips=(150,), folder=tmp_path), **changes)


def test_arms_share_encoder_clips_and_optimiser():
    first = pretrain_config(Compare("rich"))
    for arm, objective, width in (("pixels", pixel_loss, 864), ("dense", Dense(), 192), ("tubes", latent_loss, None)):
        config = pretrain_config(Compare("rich", arm))
        assert (config.encoder, config.data, config.batch, config.optim) == (first.encoder, first.data, 32, first.optim)
        assert config.predictor == replace(first.predictor, output_width=width)
        assert compare.OBJECTIVES.get(arm, latent_loss) == objective
    assert first.encoder.patch == 12 and first.run.folder is None and first.masks == pretrain_config(Compare()).masks


def test_the_rich_worlds_have_what_they_promise():
    world = compare.WORLDS["rich"]
    assert world.objects == (2, 4) and world.motion.collisions and world.motion.edges == "walls"
    assert world.motion.bar == "occluder" and world.motion.bar_place == "middle" and world.look.texture == 0.1
    assert compare.WORLDS["rich_distractors"] == replace(world, look=replace(world.look, distractors="strong"))
    assert compare.WORLDS["rich_roaming_bar"].motion == replace(world.motion, bar_place="drawn")


@pytest.mark.parametrize("arm", ["jepa", "pixels", "dense"])
def test_an_arm_that_was_killed_goes_on(arm, tmp_path, monkeypatch):
    whole = compare_arm(asked(tmp_path / "whole", arm=arm))
    kept = compare.ProbeTracker.record

    def stop(tracker, step, encoder):
        if step == 4:
            raise Stopped
        kept(tracker, step, encoder)

    monkeypatch.setattr(compare.ProbeTracker, "record", stop)
    killed = asked(tmp_path / "killed", arm=arm)
    with pytest.raises(Stopped):
        compare_arm(killed)
    assert (checkpoints(killed) / "last.pt").exists() and "\n2," in output(killed).read_text()
    monkeypatch.setattr(compare.ProbeTracker, "record", kept)
    rows = compare_arm(killed)

    def said(table):
        return [(int(row["step"]), row["label"], float(row["accuracy"])) for row in table]

    assert said(rows) == said(whole) and {row["label"] for row in rows} == {"direction", "speed", "shape"}
    one, two = (load(output(asked(tmp_path / name, arm=arm)).with_suffix(".safetensors")) for name in ("whole", "killed"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_rows_of_another_run_are_not_kept(tmp_path):
    settings = asked(tmp_path)
    output(settings).parent.mkdir(parents=True)
    output(settings).write_text("step,cpu_seconds,label,labelled_clips,accuracy\n0,99,direction,150,0.9\n")
    assert compare.earlier_rows(settings) == []


def test_raw_pixels_and_supervision_write_their_rows(tmp_path):
    for arm, steps in (("raw", [0]), ("supervised", [0, 2, 4])):
        rows = compare_arm(asked(tmp_path, arm=arm))
        assert sorted({row["step"] for row in rows}) == steps
        assert output(asked(tmp_path, arm=arm)).read_text().count("\n") == 1 + len(rows)
