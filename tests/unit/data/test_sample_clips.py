"""The shipped sample clips are those that their card describes."""

import importlib.util
from pathlib import Path

import pytest
import torch

from minijepa.data.video import decode

CLIPS = Path(__file__).parents[3] / "data_samples" / "clips"


def make():
    spec = importlib.util.spec_from_file_location("make_clips", CLIPS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = make()


def test_files_and_table_agree():
    assert {path.stem for path in CLIPS.glob("*.mp4")} == set(MAKE.CLIPS)
    assert all(path.stat().st_size < 60_000 for path in CLIPS.glob("*.mp4"))
    card = (CLIPS / "README.md").read_text()
    for name in MAKE.CLIPS:
        drawn = MAKE.clip(name)
        row = next(line for line in card.splitlines() if line.startswith(f"| {name}.mp4 |"))
        assert MAKE.describe({key: int(value) for key, value in drawn.labels.items()}) in row
        assert "lawful" in row or f"| {int(drawn.onset)}, " in row


@pytest.mark.parametrize("name", MAKE.CLIPS)
def test_file_shows_the_drawn_frames(name):
    drawn = MAKE.clip(name).video[0].float()
    shown = decode(CLIPS / f"{name}.mp4", range(MAKE.FRAMES))
    error = (shown.float() - drawn).square().mean().sqrt()
    assert error < 16, error  # of 255: chroma subsampling and the noise that H.264 leaves out
    assert isinstance(shown, torch.Tensor)
