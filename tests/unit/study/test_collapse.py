"""A run that is made to collapse does, its meters say so, and what it wrote is read back."""

import pytest
import torch

from minijepa.data.toy_physics import World
from minijepa.study import collapse
from minijepa.study.track import probe_clips

SIZES = {"train": 40, "validation": 32, "test": 40}  # the loss is read on a batch of 32


@pytest.fixture(scope="module")
def clips():
    return probe_clips(World.drift(), 0, SIZES)


def test_every_way_can_be_asked_for():
    assert {collapse.Collapse(way).way for way in collapse.WAYS} == set(collapse.WAYS)
    assert collapse.WAYS["jepa"] == collapse.Variant()


def test_trained_targets_collapse_and_a_teacher_does_not(clips):
    last = {way: collapse.run(collapse.Collapse(way, steps=16, every=16), clips) for way in ("jepa", "trained_targets")}
    start, held, fallen = last["jepa"].rows[0], last["jepa"].rows[-1], last["trained_targets"].rows[-1]
    assert start["step"] == 0 and start["feature_std"] == last["trained_targets"].rows[0]["feature_std"]
    assert fallen["step"] == 16 and fallen["feature_std"] < 0.5 * start["feature_std"] < held["feature_std"]
    assert fallen["loss"] < held["loss"]
    assert last["jepa"].features["test"].shape == (40, 64)


def test_the_loss_of_a_cure_is_read_without_its_penalty(clips):
    first = {way: collapse.run(collapse.Collapse(way, steps=0), clips).rows[0] for way in ("trained_targets", "sigreg_clips")}
    assert first["trained_targets"] == first["sigreg_clips"]


def test_rows_are_read_back(tmp_path, clips, monkeypatch):
    monkeypatch.setattr(collapse, "probe_clips", lambda world, seed, sizes: clips)
    threads = torch.get_num_threads()
    collapse.main(collapse.Collapse("raw_targets", steps=1, every=1, threads=threads, folder=tmp_path))
    rows = collapse.read_columns(tmp_path / "raw_targets_s0.csv")
    assert rows["step"] == [0, 1] and set(rows) >= {"loss", "constant_loss", "feature_std", "effective_rank", "direction"}


def test_a_missing_file_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="--way sigreg_clips --seed 3"):
        collapse.read_columns(tmp_path / "sigreg_clips_s3.csv")
