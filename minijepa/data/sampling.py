"""Choose which frames of a video make a clip.

We ask for times: a clip of `frames` frames at `fps` Hz wants the pictures that a viewer would see at start, start +
1/fps, … seconds. Time stamps answer that exactly, also where a file's rate changes on the way. The released loader
counts frames instead (`released_indices`); the rule is here by name, for whoever repeats its numbers.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator

from minijepa.data.video_error import VideoError

TOLERANCE = 1e-6  # seconds; finer than any clock of a video file (1/90000 s), coarser than the rounding of float64


def sample_indices(
    times: Float[np.ndarray, "n"],
    frames: int,
    fps: float | int,
    segments: int = 1,
    generator: Generator | None = None,
    repeat_last: bool = False,
) -> Int[np.ndarray, "segments frames"]:
    """Choose the frames of one clip, or of one clip in each equal part of the video, by their times.

    A clip spans (frames - 1) / fps seconds. In each part of the video it starts at a random time where a generator
    is given, and stands in the middle otherwise. Where the parts are shorter than a clip, the starts are spread
    evenly over the video and the clips overlap.

    Differs: src/datasets/video_dataset.py strides by ceil(video fps) // fps frames, so that a 25 Hz video asked for
    4 Hz gives about 4.2 Hz, a 30 Hz one 4.3 Hz, and one below 4 Hz fails. See `released_indices`.

    Args:
        times: increasing time of each frame in seconds, as `Timeline.times`.
        frames: frames in a clip.
        fps: wanted rate of the clip in Hz.
        segments: number of clips.
        generator: source of random starts (on the CPU); None for fixed ones.
        repeat_last: where the video is shorter than a clip, hold its last frame instead of an error.

    Returns:
        Frame numbers, (segments, frames), int64.

    Raises:
        VideoError: the video is shorter than a clip; a number that is not positive.
    """
    _check_numbers(frames, fps, segments)
    span, end = (frames - 1) / fps, float(times[-1])
    if span > end + TOLERANCE and not repeat_last:
        wrong = f"lasts {end:.3f} s, too short for {frames} frames at {fps:g} Hz ({span:.3f} s)"
        raise VideoError.about("this video", wrong, "ask for fewer frames or a higher rate, or let repeat_last=True")
    starts = _starts(end, span, segments, generator)
    wanted = starts[:, None] + np.arange(frames) / fps  # (segments, frames) seconds
    shown = np.searchsorted(times, wanted + TOLERANCE, side="right") - 1  # the last frame not later than that
    return np.clip(shown, 0, len(times) - 1).astype(np.int64)


def uniform_indices(times: Float[np.ndarray, "n"], frames: int) -> Int[np.ndarray, "frames"]:
    """Choose frames that cover the whole video: the picture in the middle of each of `frames` equal parts.

    Args:
        times: increasing time of each frame in seconds.
        frames: how many; more than the video has repeats some.

    Returns:
        Frame numbers, (frames,), int64.

    Raises:
        VideoError: `frames` is not positive.
    """
    _check_numbers(frames, 1, 1)
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 0.0  # the last frame is shown that long
    middles = (np.arange(frames) + 0.5) / frames * (float(times[-1]) + gap)
    return np.clip(np.searchsorted(times, middles + TOLERANCE, side="right") - 1, 0, len(times) - 1).astype(np.int64)


def released_stride(video_fps: float | int, fps: int) -> int:
    """Compute the released loader's distance between frames: ceil(video fps) // fps.

    Raises:
        VideoError: the video is slower than `fps`, so that the stride is 0 (the official loader stops there too).
    """
    stride = math.ceil(video_fps) // fps
    if stride < 1:
        wrong = f"has {video_fps:g} Hz, less than the wanted {fps} Hz"
        raise VideoError.about("this video", wrong, "use sample_indices, which repeats frames")
    return stride


def released_indices(
    count: int, frames: int, stride: int, segments: int = 1, generator: Generator | None = None, overlap: bool = False
) -> Int[np.ndarray, "segments frames"]:
    """Choose frames exactly as src/datasets/video_dataset.py does, by counting.

    In each of `segments` equal parts a window of frames · stride frames is laid, at random or at the part's beginning,
    and `frames` evenly spaced positions in it are cut to whole numbers: since both ends are among them, neighbours
    are a little more than `stride` apart. A short part gives every stride-th frame and then holds its last one;
    with `overlap` the windows are shifted over the whole video instead. The distribution is the official one, the
    random stream is ours (it draws from NumPy's global state).

    Args:
        count: frames in the video.
        frames: frames in a clip.
        stride: frames of the video between frames of the clip; see `released_stride`. Evaluations use 2 or 4.
        segments: number of clips.
        generator: source of random starts (on the CPU); None lays each window at the beginning of its part.
        overlap: what a short part does; True in the evaluations, False in pretraining.

    Returns:
        Frame numbers, (segments, frames), int64.

    Raises:
        VideoError: a number that is not positive, or fewer frames than segments.
    """
    _check_numbers(frames, stride, segments)
    window, part = frames * stride, count // segments
    if part < 1:
        raise VideoError.about("this video", f"has {count} frames, fewer than {segments} segments", "ask for fewer")
    if part > window:
        firsts = [i * part + _released_start(part - window, generator) for i in range(segments)]
        inside = np.linspace(0, window, frames).clip(0, window - 1).astype(np.int64)
        return np.array(firsts, dtype=np.int64)[:, None] + inside
    length = min(window, count) - 1 if overlap else part
    inside = np.linspace(0, length, length // stride)
    inside = np.concatenate([inside, np.full(frames - len(inside), length)])
    inside = inside.clip(0, length - 1).astype(np.int64).clip(0)
    shift = ((count - window) // (segments - 1) if count > window else 0) if overlap else part
    return np.arange(segments)[:, None] * shift + inside


def _starts(end: float, span: float | int, segments: int, generator: Generator | None) -> np.ndarray:
    """Give the start of each clip in seconds: (segments,)."""
    part = end / segments
    if part >= span:
        free = part - span
        inside = 0.5 if generator is None else torch.rand(segments, generator=generator, dtype=torch.float64).numpy()
        return np.arange(segments) * part + free * inside
    free = max(0.0, end - span)
    if segments > 1:
        return np.linspace(0, free, segments)
    return np.array([free / 2])  # only reached when free is 0


def _released_start(room: int, generator: Generator | None) -> int:
    """Draw 0 .. room - 1, as numpy.random.randint(window, part) - window does; the last place is never taken."""
    return 0 if generator is None else int(torch.randint(room, (), generator=generator))


def _check_numbers(frames: int, rate: float | int, segments: int) -> None:
    if frames < 1 or rate <= 0 or segments < 1:
        wrong = f"expected positive frames, rate and segments, got {frames}, {rate}, {segments}"
        raise VideoError.about("clip sampling", wrong, "give numbers above 0")
