"""Preprocessing equals plain NumPy written from the definition, one pixel at a time."""

import math

import numpy as np
import pytest
import torch

from minijepa.data.video import (
    VideoError,
    denormalize,
    evaluation_clip,
    evaluation_views,
    normalize,
    random_box,
    training_clip,
)
from tests.unit.data.made_clips import Unchecked

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SCALE, ASPECT = (0.3, 1.0), (0.75, 1.35)


def noise(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def plain_resize(picture, height, width):
    """Resize (c, H, W) bilinearly between pixel centres, in float64, without antialias."""

    def axis(size, new):
        place = np.clip((np.arange(new) + 0.5) * size / new - 0.5, 0, size - 1)
        low = np.floor(place).astype(int)
        return low, np.minimum(low + 1, size - 1), place - low

    top, bottom, down = axis(picture.shape[1], height)
    left, right, across = axis(picture.shape[2], width)
    rows = picture[:, top] * (1 - down)[:, None] + picture[:, bottom] * down[:, None]
    return rows[:, :, left] * (1 - across) + rows[:, :, right] * across


def plain_normalize(picture):
    return (picture / 255 - MEAN[:, None, None]) / STD[:, None, None]


@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (4, 3, 2, 5, 7)])
def test_normalize_is_the_imagenet_one(shape):
    video = noise(*shape)
    expected = (video.numpy() / 255 - MEAN[:, None, None, None]) / STD[:, None, None, None]
    assert normalize(video).dtype == torch.float32
    np.testing.assert_allclose(normalize(video).numpy(), expected, rtol=0, atol=1e-6)


def test_denormalize_gives_every_grey_level_back():
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(3, 2, 16, 16)
    assert torch.equal(denormalize(normalize(ramp)), ramp)


def test_denormalize_clips_what_a_network_overshoots():
    assert denormalize(torch.full((3, 1, 2, 2), 9.0)).min() == 255
    assert denormalize(torch.full((3, 1, 2, 2), -9.0)).max() == 0


@pytest.mark.parametrize("height, width", [(40, 70), (70, 40), (33, 33), (300, 401)])
def test_evaluation_resizes_the_short_side_and_cuts_the_centre(height, width):
    crop, video = 28, noise(3, 2, height, width)
    short = int(crop * 256 / 224)
    size = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
    top, left = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    got = evaluation_clip(video, crop)
    assert got.shape == (3, 2, crop, crop)
    for frame in range(2):
        picture = plain_resize(video[:, frame].numpy().astype(float), *size)[:, top : top + crop, left : left + crop]
        away = np.abs(denormalize(got)[:, frame].numpy() - picture)
        assert away.max() < 0.502  # whole grey levels: at most half a level off
        expected = plain_normalize(np.round(picture))
        assert np.mean(np.abs(got[:, frame].numpy() - expected) < 1e-5) > 0.999  # ties may round either way


@pytest.mark.parametrize("crop, short", [(256, 292), (384, 438)])
def test_the_released_sizes(crop, short):
    ramp = torch.arange(short, dtype=torch.float32).div(2).to(torch.uint8).expand(3, 1, short, short)
    left = round((short - crop) / 2)  # a frame of the right size is cut, not resized
    assert torch.equal(denormalize(evaluation_clip(ramp, crop)), ramp[..., left : left + crop, left : left + crop])


def test_antialias_is_pillows():
    """transformers' processor resizes with antialias; Pillow is the reference implementation of that filter."""
    image = pytest.importorskip("PIL.Image")
    video = noise(3, 1, 120, 160)
    small = image.fromarray(video[:, 0].permute(1, 2, 0).numpy()).resize((int(32 * 160 / 120), 32), image.Resampling.BILINEAR)
    left = round((small.width - 28) / 2)
    expected = np.asarray(small)[2:30, left : left + 28].transpose(2, 0, 1).astype(int)
    away = np.abs(denormalize(evaluation_clip(video, 28, antialias=True))[:, 0].numpy().astype(int) - expected)
    assert away.max() <= 1
    plain = np.abs(denormalize(evaluation_clip(video, 28))[:, 0].numpy().astype(int) - expected)
    assert plain.max() > 20  # without antialias it is another picture: the two official paths differ


@pytest.mark.parametrize("height, width", [(32, 64), (64, 32), (32, 32)])
def test_views_cover_the_long_side_in_whole_steps(height, width):
    video = noise(3, 2, height, width)
    views = denormalize(evaluation_views(video, 32, 3))
    step = (max(height, width) - 32) // 2
    for i in range(3):
        y, x = (i * step, 0) if height > width else (0, i * step)
        assert torch.equal(views[i], video[..., y : y + 32, x : x + 32])


def test_one_view_is_the_evaluation_clip():
    video = noise(3, 2, 40, 60)
    assert torch.equal(evaluation_views(video, 28, 1)[0], evaluation_clip(video, 28))


def test_training_cuts_one_box_for_the_whole_clip():
    still = noise(3, 1, 40, 60).expand(3, 5, 40, 60)
    clip = training_clip(still, 24, torch.Generator().manual_seed(3))
    assert torch.equal(clip, clip[:, :1].expand_as(clip))


@pytest.mark.parametrize("seed", range(6))
def test_training_equals_the_plain_resize_of_its_box(seed):
    video = noise(3, 1, 40, 60)
    top, left, height, width = random_box(40, 60, torch.Generator().manual_seed(seed), SCALE, ASPECT)
    box = video[:, 0, top : top + height, left : left + width].numpy().astype(float)
    expected = plain_normalize(plain_resize(box, 24, 24))
    got = training_clip(video, 24, torch.Generator().manual_seed(seed), flip=0.0)[:, 0].numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)
    mirrored = training_clip(video, 24, torch.Generator().manual_seed(seed), flip=1.0)[:, 0].numpy()
    np.testing.assert_allclose(mirrored, expected[..., ::-1], rtol=0, atol=1e-4)


def test_flips_come_half_of_the_time():
    video = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    video[..., 4:] = 255
    generator = torch.Generator().manual_seed(0)
    bright_left = [bool(training_clip(video, 8, generator, scale=(1, 1), aspect=(1, 1))[..., 0].mean() > 0) for _ in range(400)]
    assert 160 < sum(bright_left) < 240  # five deviations of a fair coin are 50


def test_boxes_have_the_released_distribution():
    generator = torch.Generator().manual_seed(0)
    boxes = np.array([random_box(240, 320, generator, SCALE, ASPECT) for _ in range(8000)])
    area, ratio = boxes[:, 2] * boxes[:, 3] / (240 * 320), boxes[:, 3] / boxes[:, 2]
    assert (boxes[:, 0] + boxes[:, 2] <= 240).all() and (boxes[:, 1] + boxes[:, 3] <= 320).all() and (boxes >= 0).all()
    assert 0.295 < area.min() < 0.31 and area.max() <= 1
    assert 0.74 < ratio.min() < 0.76 and 1.34 < ratio.max() < 1.36
    # small boxes always fit, so there the log of the aspect is uniform: its mean is 0.006; of a linear aspect 0.035
    logs = np.log(ratio[area < 0.5])
    assert np.mean(logs) == pytest.approx((math.log(0.75) + math.log(1.35)) / 2, abs=0.012)
    assert np.mean(area < 0.5) > 0.2 / 0.7 - 0.03  # large ones are drawn again where they do not fit
    assert boxes[:, 1].min() == 0 and (boxes[:, 1] + boxes[:, 3]).max() == 320  # both edges are reached


@pytest.mark.parametrize("size, box", [((180, 1280), (0, 518, 180, 243)), ((1280, 180), (520, 0, 240, 180))])
def test_frames_that_fit_no_box_are_cut_in_the_centre(size, box):
    # DROID's recipe: an area above the frame never fits; 1.35 · 180 = 243 wide, 180 / 0.75 = 240 high
    assert random_box(*size, torch.Generator().manual_seed(0), (1.777, 1.777), ASPECT) == box


@pytest.mark.parametrize(
    "call, wrong",
    [
        (lambda: normalize(torch.zeros(3, 2, 4, 4)), "expected a torch.uint8"),
        (lambda: normalize(noise(2, 4, 4, 4)), "3 colour channels"),
        (lambda: normalize(noise(3, 4, 4)), "expected a torch.uint8"),
        (lambda: normalize(noise(3, 0, 4, 4)), "at least one frame"),
        (lambda: normalize(np.zeros((3, 2, 4, 4), np.uint8)), "got ndarray"),
        (lambda: denormalize(noise(3, 2, 4, 4)), "expected a torch.float32"),
        (lambda: evaluation_clip(noise(1, 3, 2, 4, 4), 8), "expected a torch.uint8"),
        (lambda: evaluation_clip(noise(3, 2, 4, 4), 0), "expected at least 1"),
        (lambda: evaluation_views(noise(3, 2, 4, 4), 4, 0), "views: expected at least 1"),
        (lambda: training_clip(noise(4, 2, 4, 4), 8, torch.Generator()), "3 colour channels"),
    ],
)
def test_wrong_tensors_raise_our_error(call, wrong):
    with Unchecked(), pytest.raises(VideoError, match=wrong):
        call()
