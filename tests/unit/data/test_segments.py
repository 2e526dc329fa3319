"""A labelled video becomes views of segments, from the frames and the pixels that the evaluations read."""

import numpy as np
import pytest
import torch
from PIL import Image

from minijepa.data.preprocess import denormalize, evaluation_clip
from minijepa.data.segments import Cut, cut_video
from minijepa.data.video import decode, write_clip
from minijepa.data.video_error import VideoError


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Write 40 frames of 64 x 96 px whose red says their number and whose green their place from left to right."""
    clip = torch.zeros(3, 40, 64, 96, dtype=torch.uint8)
    clip[0] = 6 * torch.arange(40, dtype=torch.uint8)[:, None, None]
    clip[1] = 2 * torch.arange(96, dtype=torch.uint8)
    return write_clip(tmp_path_factory.mktemp("video") / "count.mp4", clip, fps=10, quality=5)


def numbers(frames: torch.Tensor) -> list[int]:
    """Read the number of each frame of (3, f, H, W) from its red."""
    return (denormalize(frames)[0].float().mean((-1, -2)) / 6).round().int().tolist()


def test_segments_are_equal_parts_and_views_stand_beside_each_other(video):
    cut = Cut(frames=4, stride=2, segments=2, views=3, crop=32)
    found = cut_video(video, cut)
    assert found.shape == (3, 2, 3, 4, 32, 32) and found.is_contiguous()
    assert numbers(found[1, 0]) == [0, 2, 5, 7]  # linspace over a window of 8 frames, cut to whole numbers
    assert numbers(found[1, 1]) == [20, 22, 25, 27]
    greens = [float(denormalize(found[i, 0])[1].float().mean()) for i in range(3)]
    assert greens[1] - greens[0] == pytest.approx(8 * 2 * 96 / 48, abs=3) == pytest.approx(greens[2] - greens[1], abs=3)


def test_one_view_is_the_centre(video):
    found = cut_video(video, Cut(frames=4, stride=2, segments=1, views=1, crop=32))
    assert torch.equal(found[0, 0], evaluation_clip(decode(video, [0, 2, 5, 7]), 32))


def test_a_generator_draws_the_starts(video):
    cut = Cut(frames=4, stride=2, segments=2, views=1, crop=32)
    starts = [numbers(cut_video(video, cut, None, torch.Generator().manual_seed(s))[0, 1])[0] for s in range(6)]
    assert len(set(starts)) > 1 and all(20 <= start < 32 for start in starts)


def test_only_the_labelled_piece_is_read(video):
    found = cut_video(video, Cut(frames=4, stride=2, segments=1, views=1, crop=32), between=(12, 25))
    assert numbers(found[0, 0]) == [12, 14, 17, 19]
    late = cut_video(video, Cut(frames=4, stride=4, segments=1, views=1, crop=32), between=(36, 60))
    assert min(numbers(late[0, 0])) >= 36  # the annotation goes on behind the end of the file


@pytest.mark.parametrize("between", [(40, 50), (5, 3), (-1, 4)])
def test_a_piece_outside_the_video_is_refused(video, between):
    with pytest.raises(VideoError, match="has 40 frames, but the labelled piece is"):
        cut_video(video, Cut(4, 2, 1, 1, 32), between)


def test_a_folder_of_pictures_is_a_video_too(tmp_path):
    for i in range(12):
        Image.fromarray(np.full((32, 48, 3), 6 * i, dtype=np.uint8)).save(tmp_path / f"{i + 1:05d}.png")
    assert numbers(cut_video(tmp_path, Cut(4, 2, 1, 1, 32))[0, 0]) == [0, 2, 5, 7]


def test_the_released_cuts():
    assert Cut() == Cut(16, 4, 2, 3, 256)
    assert Cut.kinetics(384) == Cut(16, 4, 8, 3, 384) and Cut.diving48() == Cut(32, 2, 4, 3, 256)
    assert Cut.ssv2_g384() == Cut(64, 2, 2, 3, 384)
