"""Clips that we write are what we meant, whole, and the same bytes each time."""

import av
import pytest
import torch

from minijepa.data.video import VideoError, decode, read_timeline, write_clip
from tests.unit.data.made_clips import Unchecked


def smooth_clip(frames=12, height=48, width=64):
    """Make a coloured wave that moves: what a codec can keep."""
    f, y, x = torch.meshgrid(torch.arange(frames), torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x / 19 + f / 3), torch.sin(y / 17 - f / 4), torch.cos((x + y) / 21 + f / 5)]
    return (torch.stack(waves) * 100 + 128).to(torch.uint8)


def psnr(a, b):
    return 10 * torch.log10(255**2 / (a.double() - b.double()).square().mean()).item()


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".MP4"])
def test_round_trip(tmp_path, suffix):
    video = smooth_clip()
    path = write_clip(tmp_path / f"wave{suffix}", video, fps=12.5)
    again = decode(path)
    assert again.shape == video.shape and psnr(again, video) > 35
    assert read_timeline(path).times.tolist() == pytest.approx([i / 12.5 for i in range(12)], abs=0.0006)  # webm: ms


@pytest.mark.parametrize("suffix, codec", [(".mp4", "h264"), (".webm", "vp9")])
def test_the_codec_follows_the_suffix(tmp_path, suffix, codec):
    with av.open(str(write_clip(tmp_path / f"wave{suffix}", smooth_clip()))) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, "yuv420p")


def test_quality_is_bought_with_bytes(tmp_path):
    video = smooth_clip()
    fine, rough = (write_clip(tmp_path / f"{q}.mp4", video, quality=q) for q in (12, 40))
    assert fine.stat().st_size > 1.5 * rough.stat().st_size and psnr(decode(fine), video) > psnr(decode(rough), video) + 3


def test_odd_sides_repeat_the_edge_in_mp4_and_stay_in_webm(tmp_path):
    video = smooth_clip(height=47, width=33)
    padded = decode(write_clip(tmp_path / "odd.mp4", video))
    assert padded.shape == (3, 12, 48, 34) and psnr(padded[..., :47, :33], video) > 33
    assert psnr(padded[..., 47, :33], video[..., 46, :]) > 27  # the last row again, not black
    exact = decode(write_clip(tmp_path / "odd.webm", video))
    assert exact.shape == video.shape and psnr(exact, video) > 33


@pytest.mark.parametrize("shape", [(3, 1, 2, 2), (3, 2, 1, 1), (3, 3, 1, 64)])
def test_the_smallest_clips(tmp_path, shape):
    assert decode(write_clip(tmp_path / "small.mp4", torch.zeros(shape, dtype=torch.uint8))).shape[1] == shape[1]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_the_same_clip_gives_the_same_bytes(tmp_path, suffix):
    files = set()
    for size in range(0, 200_000, 10_000):
        junk = torch.full((size,), size % 256, dtype=torch.uint8)  # other bytes in the memory that the encoder gets
        files.add(write_clip(tmp_path / f"wave{suffix}", smooth_clip()).read_bytes())
        del junk
    assert len(files) == 1


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "wave.mp4", smooth_clip())
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("minijepa.data.write._encode", fail)
    with pytest.raises(VideoError, match="disk full"):
        write_clip(path, smooth_clip())
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_strided_clips_are_written_in_the_right_order(tmp_path):
    video = smooth_clip()
    backwards = decode(write_clip(tmp_path / "back.mp4", video.flip(1).transpose(-1, -2)))
    assert psnr(backwards, video.flip(1).transpose(-1, -2)) > 35


@pytest.mark.parametrize(
    "name, change, wrong",
    [
        ("wave.gif", lambda v: v, "unknown suffix '.gif'"),
        ("wave", lambda v: v, "unknown suffix ''"),
        ("nowhere/wave.mp4", lambda v: v, "folder does not exist"),
        (".", lambda v: v, "unknown suffix"),
        ("wave.mp4", lambda v: v.float(), "expected a torch.uint8"),
        ("wave.mp4", lambda v: v[:2], "3 colour channels"),
        ("wave.mp4", lambda v: v[:, 0], "expected a torch.uint8"),
        ("wave.mp4", lambda v: v[:, :0], "at least one frame"),
        ("wave.mp4", lambda v: v.numpy(), "got ndarray"),
    ],
)
def test_bad_writes_raise_our_error(tmp_path, name, change, wrong):
    with Unchecked(), pytest.raises(VideoError, match=wrong):
        write_clip(tmp_path / name, change(smooth_clip()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0, -4, 1e9, float("nan")])
def test_impossible_rates_raise_our_error(tmp_path, fps):
    with pytest.raises(VideoError, match="frames a second"):
        write_clip(tmp_path / "wave.mp4", smooth_clip(), fps)
