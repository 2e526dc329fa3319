"""Training clips are a function of (seed, step, row), also when they come from files of which some are bad."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import VideoError, write_clip
from minijepa.train.batches import Batches, FileBatches, Steps, ToyBatches, loader
from minijepa.train.pretrain import PretrainConfig, pretrain
from tests.unit.train.tiny import tiny_config

ROWS = slice(0, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Make four good videos of 16 frames and three bad ones."""
    folder = tmp_path_factory.mktemp("videos")
    clips = sample(World.drift(frames=16), 4, split_generator("train", 3))
    for number, video in enumerate(clips.video):
        write_clip(folder / f"{number}.mp4", video, fps=8)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video")
    (folder / "cut.mp4").write_bytes((folder / "0.mp4").read_bytes()[:700])
    return folder


@pytest.fixture
def batches(folder) -> FileBatches:
    return FileBatches(folder, frames=8, fps=8, crop=32)


@pytest.fixture
def config(batches) -> PretrainConfig:
    return replace(tiny_config(steps=3, batch=8, log_every=1), data=batches)


def test_both_kinds_are_batches(batches):
    assert isinstance(batches, Batches) and isinstance(ToyBatches(), Batches)


@pytest.mark.parametrize("kind", ["toy", "files"])
def test_clips_follow_from_seed_and_step(kind, folder):
    one, two = (ToyBatches() if kind == "toy" else FileBatches(folder, 8, 8, 32) for _ in range(2))
    clips = one.clips(5, 0, 8, ROWS)
    assert clips.shape == (8, 3, 8, 32, 32)
    two.clips(3, 0, 8, ROWS)  # what was asked before does not matter
    assert torch.equal(clips, two.clips(5, 0, 8, ROWS))
    assert torch.equal(clips[2:4], two.clips(5, 0, 8, slice(2, 4)))
    assert not torch.equal(clips, one.clips(6, 0, 8, ROWS)) and not torch.equal(clips, one.clips(5, 1, 8, ROWS))


def test_a_process_decodes_its_own_rows_alone(batches, monkeypatch):
    asked = []
    read = type(batches.files).__getitem__
    monkeypatch.setattr(type(batches.files), "__getitem__", lambda self, key: asked.append(key) or read(self, key))
    batches.clips(1, 0, 8, slice(4, 6))
    assert [key[2] for key in asked] == [4, 5]


def test_file_clips_are_normalised_and_toy_clips_raw(batches):
    clips = batches.clips(0, 0, 8, ROWS)
    assert clips.dtype == torch.float32 and clips.min() < -0.5 and clips.abs().max() < 3
    assert ToyBatches().clips(0, 0, 2, slice(0, 2)).dtype == torch.uint8


def test_bad_files_are_skipped_and_counted_in_the_metrics(config, folder, tmp_path):
    config = replace(config, run=replace(config.run, folder=tmp_path))
    pretrain(config)
    skipped = [int(row["skipped"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert len(skipped) == 3 and skipped == sorted(skipped) and 0 < skipped[-1] <= 3
    bad = {Path(name).name for name in config.data.skipped()}
    assert bad <= {"empty.mp4", "text.mp4", "cut.mp4"} and len(bad) == skipped[-1]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_count_and_change_no_clip(folder, workers):
    alone, helped = (FileBatches(folder, 8, 8, 32) for _ in range(2))
    steps = [Steps(source, 0, 4, 0, 8, ROWS) for source in (alone, helped)]
    for one, two in zip(loader(steps[0], 0), loader(steps[1], workers), strict=True):
        assert torch.equal(one, two)
    assert alone.skipped() and set(alone.skipped()) == set(helped.skipped())


def test_folder_and_list_give_the_same(folder, tmp_path):
    names = sorted(str(path) for path in folder.iterdir())
    (tmp_path / "list.txt").write_text("".join(f"{name} 0\n" for name in names))
    sources = [folder, tmp_path / "list.txt", tuple(Path(name) for name in names)]
    clips = [FileBatches(source, 8, 8, 32).clips(0, 0, 4, slice(0, 4)) for source in sources]
    assert torch.equal(clips[0], clips[1]) and torch.equal(clips[0], clips[2])


def test_nothing_to_read_is_said_before_training(tmp_path, config):
    with pytest.raises(VideoError, match=str(tmp_path)):
        pretrain(replace(config, data=FileBatches(tmp_path, 8, 8, 32)))


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_readable_ends_the_run(folder, tmp_path, config, workers):
    for name in ("empty.mp4", "text.mp4"):
        shutil.copy(folder / name, tmp_path / name)
    run = replace(config.run, workers=workers)
    with pytest.raises(VideoError, match="in a row could not be used"):
        pretrain(replace(config, data=FileBatches(tmp_path, 8, 8, 32), run=run))


def test_too_short_is_skipped_or_held(folder):
    long = FileBatches((folder / "0.mp4",), frames=32, fps=8, crop=32)
    with pytest.raises(VideoError, match="shorter|short"):
        long.clips(0, 0, 1, slice(0, 1))
    held = replace(long, short="repeat").clips(0, 0, 1, slice(0, 1))
    assert torch.equal(held[0, :, 20], held[0, :, 31]) and not torch.equal(held[0, :, 2], held[0, :, 31])
