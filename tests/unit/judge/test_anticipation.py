"""The clip before an action, for both anchors and both rules, and the tokens of what is expected."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.sets.epic_kitchens import Segment
from minijepa.data.timeline import Timeline
from minijepa.judge.anticipation import (
    Window,
    action_loss,
    anchor_frame,
    anticipation_tokens,
    clip_indices,
    focal_loss,
    segment_indices,
    training_window,
)
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import ActionLogits

ACTION = (1000, 1200)  # the example of the reference sheet: 20 to 24 s at 50 Hz
TIMES = np.arange(2000) / 50


def test_the_two_anchors_of_the_reference_example():
    start, released = (clip_indices(ACTION, Window(anchor=a, rule="released"), TIMES, 50) for a in ("start", "released"))
    # int(50 / 8) = 6 frames apart; the clip ends before frame 1000 - 50 = 950, or 1200 - 50 = 1150
    assert start.tolist() == list(range(758, 950, 6)) and released.tolist() == list(range(958, 1150, 6))
    assert len(start) == 32 and start.max() < ACTION[0] < released.max()  # only one of the two has not seen the action


def test_by_time_stamps_the_last_frame_lies_a_second_before_the_action():
    indices = clip_indices(ACTION, Window(), TIMES, 50)
    # 19 s is frame 950; 1/8 s earlier 18.875 s is inside frame 943 (18.86 to 18.88 s)
    assert indices[-3:].tolist() == [937, 943, 950] and len(indices) == 32
    assert indices[0] == math.floor((19 - 31 / 8) * 50)
    assert clip_indices(ACTION, Window(anchor="released"), TIMES, 50)[-1] == 1150


@pytest.mark.parametrize("rate, step, drift", [(59.94, 7, 8.563), (25.0, 3, 8.333), (24.0, 3, 8.0)])
def test_counting_frames_drifts_where_time_stamps_do_not(rate, step, drift):
    times = np.arange(4000) / rate
    counted = clip_indices((2000, 2100), Window(rule="released"), times, rate)
    timed = clip_indices((2000, 2100), Window(), times, rate)
    assert set(np.diff(counted)) == {step} and rate / step == pytest.approx(drift, abs=1e-3)
    assert 31 / (times[timed[-1]] - times[timed[0]]) == pytest.approx(8, abs=0.05)


def test_ahead_is_cut_to_whole_frames_in_the_released_rule():
    # int(59.94) = 59 frames ahead, so the clip ends before 2000 - 59 = 1941
    assert clip_indices((2000, 2100), Window(rule="released"), np.arange(4000) / 59.94, 59.94)[-1] == 1941 - 7


def test_the_point_runs_the_other_way_in_the_released_code():
    quarter = Window(point=0.25)
    assert anchor_frame(ACTION, quarter) == 1050 and anchor_frame(ACTION, replace(quarter, anchor="released")) == 1150
    assert anchor_frame(ACTION, Window(point=1, anchor="released")) == anchor_frame(ACTION, Window()) == 1000


@pytest.mark.parametrize("rule", ["timestamps", "released"])
def test_a_video_that_begins_too_late_repeats_its_first_frame(rule):
    indices = clip_indices((60, 90), Window(rule=rule), TIMES, 50)
    assert (indices == 0).sum() > 25 and indices.min() == 0 and (np.diff(indices) >= 0).all()
    assert indices[-1] == (4 if rule == "released" else 10)  # before 60 - 50 in sixes; 0.2 s


def test_uneven_stamps_are_obeyed():
    times = np.concatenate([np.arange(100) / 10, 10 + np.arange(100) / 50])
    indices = clip_indices((150, 160), Window(frames=3, fps=2, ahead=0.5), times, 20)
    assert times[indices].tolist() == pytest.approx([9.5, 10.0, 10.5])  # the anchor is at 11 s


def test_on_a_copy_of_another_rate_seconds_point_to_the_action_and_frame_numbers_do_not():
    original = Timeline("a.MP4", tuple(range(2000)), ((0, 0),), 1 / 50, 50.0, "mov", True)
    copy = Timeline("a.mp4", tuple(range(1000)), ((0, 0),), 1 / 25, 25.0, "mov", True)
    segment = Segment("a.mp4", 0, "P01_01_0", (900, 950), (18.0, 19.0))
    ends = [video.times[segment_indices(segment, Window(), video)[-1]] for video in (original, copy)]
    assert ends == pytest.approx([17.0, 17.0])
    counted = Window(rule="released")
    ends = [video.times[segment_indices(segment, counted, video)[-1]] for video in (original, copy)]
    assert ends == pytest.approx([(900 - 50 - 6) / 50, (900 - 25 - 3) / 25])  # 16.9 s, and 34.9 s: long after the action
    with pytest.raises(ValueError, match="expected P01_01_0 to start before the video ends at 9.96 s, got 18.00 s"):
        segment_indices(segment, Window(), replace(copy, ticks=tuple(range(250))))
    with pytest.raises(ValueError, match="inside a video of 250 frames"):
        segment_indices(segment, counted, replace(copy, ticks=tuple(range(250))))


@pytest.mark.parametrize("action", [(5, 3), (-1, 3), (2000, 2001)])
def test_an_action_outside_the_video_is_refused(action):
    with pytest.raises(ValueError, match="expected an action inside a video of 2000 frames"):
        clip_indices(action, Window(), TIMES, 50)


def test_a_slow_video_and_a_bad_window_are_refused():
    with pytest.raises(ValueError, match="at least 8 Hz, got 6"):
        clip_indices((5, 6), Window(rule="released"), TIMES, 6)
    for bad in ({"frames": 0}, {"fps": 0}, {"ahead": -1}, {"point": 1.5}):
        with pytest.raises(ValueError, match="expected frames >= 1"):
            Window(**bad)


def test_training_windows_are_drawn_between_the_bounds_and_repeat():
    drawn = [training_window(Window(frames=8), torch.Generator().manual_seed(i)) for i in range(400)]
    ahead, point = (np.array([getattr(w, name) for w in drawn]) for name in ("ahead", "point"))
    assert 0.25 <= ahead.min() < 0.3 and 1.7 < ahead.max() <= 1.75 and abs(ahead.mean() - 1) < 0.08
    assert 0 <= point.min() < 0.01 and 0.24 < point.max() <= 0.25 and abs(np.corrcoef(ahead, point)[0, 1]) < 0.15
    assert drawn[3] == training_window(Window(frames=8), torch.Generator().manual_seed(3)) and drawn[3].frames == 8


@pytest.fixture(scope="module")
def networks():
    generator = torch.Generator().manual_seed(0)
    encoder = VideoEncoder(EncoderConfig.tiny(), generator).eval()
    predictor = MaskedPredictor(PredictorConfig.tiny(), generator).eval()
    predictor.mask_tokens[0].data.normal_(generator=generator)
    return encoder, predictor, torch.randn(2, 3, 8, 32, 32, generator=generator)


def test_tokens_are_those_of_encoder_and_predictor_at_the_future_step(networks):
    encoder, predictor, video = networks
    tokens = anticipation_tokens(encoder, predictor, video)
    seen = encoder(video)
    # 4 time steps of 16 tokens were seen; a second at 8 Hz is 4 more, so the ids are 64 + 64 …
    context, targets = torch.arange(64).expand(2, -1), (128 + torch.arange(16)).expand(2, -1)
    expected = predictor(seen, context, targets, (9, 4, 4), 1)
    assert tokens.shape == (2, 80, 64)
    assert torch.equal(tokens[:, :64], seen) and torch.allclose(tokens[:, 64:], expected, atol=1e-6)
    assert torch.equal(anticipation_tokens(encoder, predictor, video, part="encoder"), tokens[:, :64])
    assert torch.equal(anticipation_tokens(encoder, predictor, video, part="predictor"), tokens[:, 64:])


def test_each_clip_has_its_own_future_and_the_mask_token_matters(networks):
    encoder, predictor, video = networks
    both = anticipation_tokens(encoder, predictor, video, torch.tensor([0.25, 1.74]), part="predictor")
    for i, steps in enumerate((1, 6)):  # int(1.74 * 4) = 6
        alone = anticipation_tokens(encoder, predictor, video[i : i + 1], steps / 4, part="predictor")
        assert torch.allclose(both[i : i + 1], alone, atol=1e-5)
    trained = anticipation_tokens(encoder, predictor, video, mask_token=0, part="predictor")
    assert not torch.allclose(trained, anticipation_tokens(encoder, predictor, video, part="predictor"), atol=1e-3)
    assert not torch.allclose(both[:1], anticipation_tokens(encoder, predictor, video[:1], 1.75, part="predictor"), atol=1e-4)


def test_the_past_is_refused(networks):
    with pytest.raises(ValueError, match="expected ahead of 0 seconds or more"):
        anticipation_tokens(*networks, ahead=-0.5)


def test_focal_loss_is_the_formula():
    logits = torch.tensor([[2.0, -1.0, 0.0], [0.5, 30.0, -30.0]])
    total = 0.0
    for row, label in zip(logits.tolist(), (0, 2)):
        for k, x in enumerate(row):
            p = 1 / (1 + math.exp(-x))
            p, a = (p, 0.25) if k == label else (1 - p, 0.75)
            total -= a * (1 - p) ** 2 * (math.log(p) if p > 1e-12 else -30.0)  # log sigmoid(-30) = -30
    assert focal_loss(logits, torch.tensor([0, 2])).item() == pytest.approx(total, rel=1e-5)
    assert focal_loss(logits, torch.tensor([0, 2]), alpha=0.5, gamma=0).item() == pytest.approx(
        0.5
        * torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.tensor([[1.0, 0, 0], [0, 0, 1]]), reduction="sum"
        ).item()
    )


def test_the_loss_of_an_action_adds_three_focal_losses():
    generator = torch.Generator().manual_seed(0)
    logits = ActionLogits(*(torch.randn(2, n, generator=generator) for n in (3, 4, 5)))
    labels = torch.tensor([[0, 3, 4], [2, 1, 0]])
    parts = [focal_loss(part, labels[:, i]).item() for i, part in enumerate(logits)]
    assert action_loss(logits, labels).item() == pytest.approx(sum(parts), rel=1e-6)
