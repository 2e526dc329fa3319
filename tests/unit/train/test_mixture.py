"""Data sets are mixed by weight, whatever their size, and every clip follows from (seed, step, place)."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import write_clip
from minijepa.train.batches import Batches, FileBatches, Steps, loader
from minijepa.train.command import main, parse
from minijepa.train.mixture import MIXES, Mixture, from_names
from minijepa.train.pretrain import pretrain
from tests.unit.train.tiny import tiny_config


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> list[Path]:
    """Make two data sets, of one and of five videos."""
    folders = [tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("many")]
    clips = sample(World.drift(frames=16), 6, split_generator("train", 3))
    for number, video in enumerate(clips.video):
        write_clip(folders[min(number, 1)] / f"{number}.mp4", video, fps=8)
    return folders


@pytest.fixture
def mixture(sets) -> Mixture:
    return Mixture(tuple(FileBatches(folder, frames=8, fps=8, crop=32) for folder in sets), (3.0, 1.0))


def test_weights_decide_and_sizes_do_not(mixture, monkeypatch):
    drawn = Counter()

    def draw(self, seed, step, place, chosen, within):
        drawn[chosen, int(within * len(self.parts[chosen].files))] += 1
        return torch.zeros(3, 8, 32, 32)

    monkeypatch.setattr(Mixture, "draw", draw)
    for step in range(20):
        mixture.clips(step, 0, 400, slice(0, 400))
    few, many = drawn[0, 0], [drawn[1, file] for file in range(5)]
    assert sum(drawn.values()) == few + sum(many) == 8000
    assert abs(few / 8000 - 0.75) < 0.02  # 4 standard errors
    assert max(abs(count / 8000 - 0.05) for count in many) < 0.01


def test_clips_follow_from_seed_step_and_place(mixture):
    assert isinstance(mixture, Batches)
    clips = mixture.clips(5, 0, 8, slice(0, 8))
    assert clips.shape == (8, 3, 8, 32, 32)
    mixture.clips(3, 0, 8, slice(0, 8))
    assert torch.equal(clips[2:4], mixture.clips(5, 0, 8, slice(2, 4)))
    assert not torch.equal(clips, mixture.clips(6, 0, 8, slice(0, 8)))
    assert not torch.equal(clips, mixture.clips(5, 1, 8, slice(0, 8)))


def test_bad_files_are_replaced_within_their_set_and_counted(sets, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "good.mp4").write_bytes((sets[0] / "0.mp4").read_bytes())
    clip = FileBatches(tmp_path, frames=8, fps=8, crop=32)
    mixture = Mixture((replace(clip, paths=sets[1]), clip), (1, 1))
    batches = list(loader(Steps(mixture, 0, 3, 0, 8, slice(0, 8)), workers=1))
    assert len(batches) == 3 and [Path(name).name for name in mixture.skipped()] == ["bad.mp4"]


def test_released_weights():
    assert sum(MIXES["released"].values()) == pytest.approx(1) and sum(MIXES["paper"].values()) == pytest.approx(1)
    three = Mixture(tuple(FileBatches(Path(n)) for n in "abc"), tuple(MIXES["paper"][n] for n in MIXES["released"]))
    assert three.shares.tolist() == pytest.approx(list(MIXES["released"].values()), abs=1e-3)  # one is the other, rescaled


def test_sets_by_name_or_by_weight():
    clip = FileBatches((), frames=4, crop=64)
    assert from_names(["/a"], "released", clip) == replace(clip, paths=Path("/a"))
    mixture = from_names(["ssv2=/s.csv", "0.5=/mine", "kinetics=/k"], "released", clip)
    assert [part.paths for part in mixture.parts] == [Path("/s.csv"), Path("/mine"), Path("/k")]
    assert mixture.weights == (0.1, 0.5, 0.335) and all(part.frames == 4 and part.crop == 64 for part in mixture.parts)
    assert from_names(["imagenet=/i", "yt1b=/y"], "paper", clip).weights == (0.25, 0.188)
    for bad in (["imagenet=/i", "ssv2=/s"], ["/a", "/b"], ["=/a", "ssv2=/s"], ["ssv2="]):
        with pytest.raises(ValueError, match="NAME=PATH"):
            from_names(bad, "released", clip)


def test_a_path_may_hold_an_equals_sign(tmp_path):
    (tmp_path / "a=b").mkdir()
    assert from_names([str(tmp_path / "a=b")], "released", FileBatches(())).paths == tmp_path / "a=b"


@pytest.mark.parametrize("weights, crop", [((1.0,), 32), ((1.0, 0.0), 32), ((1.0, 1.0), 64)])
def test_sets_that_do_not_go_together(mixture, weights, crop):
    with pytest.raises(ValueError, match="one weight above 0"):
        Mixture((mixture.parts[0], replace(mixture.parts[1], crop=crop)), weights)


def test_command_mixes(sets):
    config = parse(["--videos", f"kinetics={sets[0]}", f"0.2={sets[1]}", "--data.weights", "1", "3"]).config
    assert config.data.weights == (1, 3) and config.data.parts[1] == FileBatches(sets[1], frames=8, crop=32)
    with pytest.raises(SystemExit, match="WEIGHT=PATH, got 'cats=/c'"):
        main(["--videos", "cats=/c", "ssv2=/s"])


def test_mixture_trains(mixture):
    state = pretrain(replace(tiny_config(steps=2), data=mixture))
    assert state.step == 2
