"""Which frames make a clip: by times, spread, in segments, and by the released count."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minijepa.data.video import VideoError, released_indices, released_stride, sample_indices, uniform_indices


def even(count, fps):
    return np.arange(count) / fps


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_half_the_rate_takes_every_second_frame():
    indices = sample_indices(even(31, 24), 16, 12)
    np.testing.assert_array_equal(indices, [np.arange(0, 31, 2)])


@pytest.mark.parametrize("video_fps", [23.976, 25, 29.97, 30, 50, 59.94])
def test_every_frame_is_on_screen_at_its_time(video_fps):
    times = even(600, video_fps)
    for seed in range(20):
        indices = sample_indices(times, 16, 4, generator=generator(seed))[0]
        behind = times[indices[0]] + np.arange(16) / 4 - times[indices]  # from the first frame's time
        assert np.abs(behind).max() < 1 / video_fps + 1e-9  # never a whole frame away, and no drift


def test_a_low_rate_video_repeats_frames():
    np.testing.assert_array_equal(sample_indices(even(5, 2), 8, 4), [[0, 0, 1, 1, 2, 2, 3, 3]])


def test_random_starts_reach_all_of_the_video():
    times = even(100, 10)  # 9.9 s; a clip of 1.5 s may start up to 8.4 s
    starts = np.array([sample_indices(times, 4, 2, generator=generator(seed))[0, 0] for seed in range(400)])
    assert starts.min() <= 1 and starts.max() >= 83
    assert 38 < starts.mean() < 46  # the middle is 42


def test_without_a_generator_the_clip_stands_in_the_middle():
    indices = sample_indices(even(101, 10), 5, 1)[0]  # 10 s, a clip of 4 s: from 3 s to 7 s
    np.testing.assert_array_equal(indices, [30, 40, 50, 60, 70])


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 50))
def test_segments_stay_in_their_equal_parts(segments, frames, seed):
    times = even(400, 20)  # 19.95 s
    part = times[-1] / segments
    fps = max(4.0, frames / part)
    for source in (None, generator(seed)):
        indices = sample_indices(times, frames, fps, segments, source)
        assert indices.shape == (segments, frames) and (np.diff(indices, axis=1) >= 0).all()
        for i, row in enumerate(indices):
            assert i * part - 0.05 <= times[row[0]] and times[row[-1]] <= (i + 1) * part + 1e-9


def test_short_parts_give_overlapping_clips_over_the_whole_video():
    indices = sample_indices(even(21, 10), 16, 10, segments=3, generator=generator())  # 2 s, clips of 1.5 s
    np.testing.assert_array_equal(indices[:, 0], [0, 2, 5])
    assert indices[-1, -1] == 20


def test_a_video_that_is_too_short_raises_or_repeats():
    with pytest.raises(VideoError, match="lasts 1.400 s, too short for 16 frames at 10 Hz"):
        sample_indices(even(15, 10), 16, 10)
    np.testing.assert_array_equal(sample_indices(even(3, 10), 5, 10, repeat_last=True), [[0, 1, 2, 2, 2]])
    assert sample_indices(even(16, 10), 16, 10).tolist() == [list(range(16))]  # exactly long enough


def test_uniform_frames_cover_the_video():
    np.testing.assert_array_equal(uniform_indices(even(40, 10), 4), [5, 15, 25, 35])
    np.testing.assert_array_equal(uniform_indices(even(4, 10), 4), [0, 1, 2, 3])
    np.testing.assert_array_equal(uniform_indices(even(1, 10), 3), [0, 0, 0])


@pytest.mark.parametrize("video_fps, fps, stride", [(25, 4, 6), (29.97, 4, 7), (30, 4, 7), (23.976, 4, 6), (4, 4, 1)])
def test_released_stride(video_fps, fps, stride):
    assert released_stride(video_fps, fps) == stride


def test_released_stride_refuses_what_the_official_loader_stops_at():
    with pytest.raises(VideoError, match="has 3 Hz, less than the wanted 4 Hz"):
        released_stride(3, 4)


def written_out(count, frames, stride, segments, overlap, ends):
    """Follow the fact sheet (reference/vjepa2.md 4.3, 5.3) frame by frame, with the window ends given."""
    window, part, clips = frames * stride, count // segments, []
    for i in range(segments):
        if part > window:
            start, end = ends[i] - window, ends[i]
            places = [min(max(start + (end - start) * k / (frames - 1), start), end - 1) + i * part for k in range(frames)]
        else:
            length = min(window, count) - 1 if overlap else part
            few = length // stride
            places = [length * k / (few - 1) if few > 1 else 0 for k in range(few)] + [length] * (frames - few)
            shift = ((count - window) // (segments - 1) if count > window else 0) if overlap else part
            places = [int(min(place, length - 1)) + i * shift for place in places]
        clips.append([int(place) for place in places])
    return clips


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("count", [20, 63, 64, 65, 100, 128, 129, 300])
@pytest.mark.parametrize("frames, stride, segments", [(16, 4, 1), (16, 4, 2), (8, 2, 3)])
def test_released_rule_equals_the_rule_written_out(count, frames, stride, segments, overlap):
    expected = written_out(count, frames, stride, segments, overlap, [frames * stride] * segments)
    np.testing.assert_array_equal(released_indices(count, frames, stride, segments, overlap=overlap), expected)


def test_released_spacing_is_a_little_more_than_the_stride():
    gaps = np.diff(released_indices(300, 16, 4)[0])
    assert set(gaps) == {4, 5} and gaps.sum() == 63  # 15 gaps over 63 frames, where 4 apart would be 60


def test_released_starts_are_uniform_and_never_the_last():
    starts = [released_indices(70, 16, 4, generator=generator(seed))[0, 0] for seed in range(600)]
    assert sorted(set(starts)) == [0, 1, 2, 3, 4, 5]  # 70 - 64 = 6 places of 7
    assert min(starts.count(start) for start in range(6)) > 60


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_indices(even(9, 4), 0, 4),
        lambda: sample_indices(even(9, 4), 4, 0),
        lambda: sample_indices(even(9, 4), 4, 4, segments=0),
        lambda: uniform_indices(even(9, 4), 0),
        lambda: released_indices(9, 4, 0),
        lambda: released_indices(2, 4, 1, segments=3),
    ],
)
def test_wrong_numbers_raise_our_error(call):
    with pytest.raises(VideoError):
        call()
