"""Clips in a notebook: small, legible, in step, and plain in what they refuse."""

import base64
import re

import pytest
import torch

from minijepa.data.video import VideoError, decode, read_timeline
from minijepa.show import video as show
from tests.unit.data.made_clips import Unchecked


def blocks(frames=8, height=32, width=32, seed=0):
    """Make random 8-pixel blocks, which survive the codec."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (3, frames, height // 8, width // 8), dtype=torch.uint8, generator=generator)
    return coarse.repeat_interleave(8, -2).repeat_interleave(8, -1)


def shown(player, path):
    """Decode what the page would play, and count its bytes."""
    text = re.search(r"base64,([^\"]+)", player._repr_html_()).group(1)
    path.write_bytes(base64.b64decode(text))
    return decode(path), path.stat().st_size


def test_play_shows_the_clip_enlarged_inside_the_page(tmp_path):
    player = show.play(blocks(), fps=5, alt='a "quoted" clip')
    html = player._repr_html_()
    assert "controls loop muted" in html and 'type="video/mp4"' in html and "&quot;quoted&quot;" in html
    pixels, size = shown(player, tmp_path / "shown.mp4")
    assert pixels.shape == (3, 8, 224, 224) and size < show.LIMIT
    away = (pixels.float() - show.enlarge(blocks(), 7).float()).abs().mean()
    assert away < 8  # mean grey levels: the same clip, not another
    assert read_timeline(tmp_path / "shown.mp4").times[1] == pytest.approx(1 / 5)


def test_enlarging_repeats_pixels():
    small = torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2)
    big = show.enlarge(small, 3)
    assert big.shape == (3, 1, 6, 6) and torch.equal(big[..., 1::3, 2::3], small)
    assert (big.reshape(3, 1, 2, 3, 2, 3) == small[:, :, :, None, :, None]).all()


@pytest.mark.parametrize("side, factor", [(32, 7), (64, 3), (100, 2), (224, 1), (500, 1)])
def test_the_enlargement_is_chosen_for_legibility(side, factor):
    assert show.enlarge(torch.zeros(3, 1, side, 8, dtype=torch.uint8)).shape[-2] == side * factor


def test_a_grid_puts_each_clip_under_its_title():
    clips = torch.stack([blocks(seed=i) for i in range(5)])
    page = show.tile(clips, ["a", "b", "c", "d", "e"], columns=3, scale=2)
    assert page.shape == (3, 8, 2 * (20 + 64) + show.GAP, 3 * 64 + 2 * show.GAP)
    for i in range(5):
        top, left = i // 3 * (84 + show.GAP) + 20, i % 3 * (64 + show.GAP)
        assert torch.equal(page[:, :, top : top + 64, left : left + 64], show.enlarge(clips[i], 2))
        caption = page[:, 0, top - 20 : top, left : left + 64]
        assert caption.min() < 100 and caption.float().mean() > 200  # some dark ink on white
    empty = page[:, :, 88:, 2 * (64 + show.GAP) :]
    assert (empty == 255).all()


def test_titles_differ_and_long_ones_fit():
    short, long = (show.tile([blocks()], [title])[:, 0, :20] for title in ("ab", "a title that is too long " * 2))
    assert not torch.equal(short, long)
    assert (long[:, :, 0] == 255).all() and (long[:, :, -1] == 255).all()  # no ink at the edges


def test_clips_of_other_sizes_and_lengths_are_fitted():
    page = show.tile([blocks(8), blocks(3, 16, 24, seed=1)], columns=2, scale=1)
    assert page.shape == (3, 8, 32, 64 + show.GAP)
    inner = page[:, :, 8:24, 36 + 4 : 36 + 28]
    assert torch.equal(inner[:, :3], blocks(3, 16, 24, seed=1)) and torch.equal(inner[:, 7], inner[:, 2])
    assert (page[:, :, :8, 36:] == 255).all()


def test_grid_plays_its_tiles(tmp_path):
    pixels, size = shown(show.grid([blocks(), blocks(seed=1)], ["one", "two"], fps=4), tmp_path / "grid.mp4")
    assert pixels.shape == (3, 8, 244, 2 * 224 + show.GAP) and size < show.LIMIT
    assert "clips side by side: one; two" in show.grid([blocks(), blocks(seed=1)], ["one", "two"])._repr_html_()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_save_writes_a_file(tmp_path, suffix):
    assert decode(show.save(tmp_path / f"clip{suffix}", blocks(), scale=2)).shape == (3, 8, 64, 64)


def test_a_clip_too_heavy_for_a_page_is_refused(monkeypatch):
    monkeypatch.setattr(show, "LIMIT", 500)
    with pytest.raises(VideoError, match="the limit is 500"):
        show.play(blocks())


def test_a_heavy_clip_is_shown_at_a_lower_quality(monkeypatch, tmp_path):
    fine = shown(show.play(blocks()), tmp_path / "fine.mp4")[1]
    monkeypatch.setattr(show, "LIMIT", fine)
    assert shown(show.play(blocks()), tmp_path / "rough.mp4")[1] < fine


@pytest.mark.parametrize(
    "call, wrong",
    [
        (lambda: show.play(blocks().float()), "show.video.play: expected a torch.uint8"),
        (lambda: show.play(blocks()[None]), "expected a torch.uint8"),
        (lambda: show.play(blocks(), scale=0), "scale of at least 1"),
        (lambda: show.grid([]), "got no clip"),
        (lambda: show.grid([blocks()], ["a", "b"]), "2 titles for 1 clips"),
        (lambda: show.grid([blocks()[:1]]), "3 colour channels"),
        (lambda: show.grid([blocks()], columns=0), "at least 1 column"),
    ],
)
def test_wrong_clips_raise_our_error(call, wrong):
    with Unchecked(), pytest.raises(VideoError, match=wrong):
        call()
