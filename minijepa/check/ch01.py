"""Graders of chapter 01: choosing frames by their times, cutting tubelets, counting tokens."""

from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.data.sampling import released_indices, sample_indices


@grader
def frames_by_time(fn: Callable) -> str:
    """Check a function (times, frames, fps) -> frame numbers of one clip from the middle of the video."""
    steady = np.arange(100) / 25  # 25 Hz does not divide by 4 Hz
    uneven = np.concatenate([np.arange(40) / 30, 40 / 30 + np.arange(60) / 10])  # 30 Hz, then 10 Hz
    for times, frames, fps in ((steady, 8, 4), (uneven, 12, 5)):
        answer = fn(times, frames, fps)
        require(answer is not None, "the result is None: is there a return statement?")
        answer = np.asarray(answer)
        require(answer.shape == (frames,), f"expected {frames} frame numbers, got shape {answer.shape}.")
        require(np.isfinite(answer).all(), "the result holds NaN or infinity.")
        require(np.issubdtype(answer.dtype, np.integer), f"frame numbers should be whole, got {answer.dtype}.")
        wanted = sample_indices(times, frames, fps)[0]
        instants = (times[-1] - (frames - 1) / fps) / 2 + np.arange(frames) / fps
        nearest = np.abs(times[None] - instants[:, None]).argmin(1)
        from_zero = np.searchsorted(times, np.arange(frames) / fps + 1e-6, side="right") - 1
        stride = int(np.ceil((len(times) - 1) / times[-1])) // fps
        counted = released_indices(len(times), frames, stride)[0]
        require(not np.array_equal(answer, from_zero), "the clip starts at 0 s; it should stand in the middle of the video.")
        steps = np.diff(answer)
        require((steps >= 0).all(), "the frames should be in order of time.")
        fixed = len(set(steps.tolist())) == 1 and len(set(np.diff(wanted).tolist())) > 1
        by_count = np.array_equal(answer, counted) or fixed
        require(not by_count, "you counted frames with a fixed stride; use the times, which need not be evenly spaced.")
        same = np.array_equal(answer, nearest) and not np.array_equal(nearest, wanted)
        require(not same, "you took the nearest frame; a viewer sees the last frame that is not later than the instant.")
        require(np.array_equal(answer, wanted), f"expected {wanted.tolist()}, got {answer.tolist()}.")
    return "right for a steady and for an uneven rate."


@grader
def tubelets(fn: Callable) -> str:
    """Check a function (video, tubelet, patch) -> (b, n, c·u·p·p) that cuts a clip into tubelets."""
    video = torch.randn(2, 3, 4, 24, 16, generator=torch.Generator().manual_seed(1))
    answer = require_tensor(fn(video, 2, 8), (2, 12, 384), "the tubelets")
    right = "b c (t u) (h p) (w q) -> b (t h w) (c u p q)"
    wrong = {
        "b c (t u) (h p) (w q) -> b (h w t) (c u p q)": "time runs fastest among your tokens: order them (t h w).",
        "b c (t u) (h p) (w q) -> b (t w h) (c u p q)": "rows and columns are exchanged among your tokens: (t h w).",
        "b c (t u) (h p) (w q) -> b (t h w) (u p q c)": "the colour comes last inside a tubelet; conv weights want (c u p q).",
        "b c (t u) (h p) (w q) -> b (t h w) (u c p q)": "the frame comes before the colour in a tubelet: (c u p q) is wanted.",
        "b c (u t) (h p) (w q) -> b (t h w) (c u p q)": "a tubelet holds frames that lie apart; neighbours belong together.",
        "b c (t u) (p h) (q w) -> b (t h w) (c u p q)": "a patch takes every h-th pixel; neighbours belong together: (h p).",
    }
    for pattern, diagnosis in wrong.items():
        require(not close(answer, rearrange(video, pattern, u=2, p=8, q=8)), diagnosis)
    flat = video.reshape(2, 12, 384)
    require(not close(answer, flat), "a reshape alone moves nothing: it cuts memory in order, not boxes out of the clip.")
    require(close(answer, rearrange(video, right, u=2, p=8, q=8)), "some pixels are in the wrong tubelet or order.")
    return "boxes of neighbouring pixels, in raster order."


@grader
def count_tokens(fn: Callable) -> str:
    """Check a function (frames, height, width, tubelet, patch) -> number of tokens."""
    for frames, height, width, tubelet, patch in ((16, 256, 256, 2, 16), (64, 384, 256, 2, 16), (8, 32, 48, 4, 8)):
        answer = fn(frames, height, width, tubelet, patch)
        require(answer is not None, "the result is None: is there a return statement?")
        t, h, w = frames // tubelet, height // patch, width // patch
        require(answer != frames * h * w, "you counted one token a frame and patch; a token spans `tubelet` frames.")
        require(answer != h * w, "time is missing: there is a layer of tokens for each tubelet in time.")
        require(answer != frames * height * width, "these are the pixels.")
        require(height == width or answer not in (t * h * h, t * w * w), "height and width may differ.")
        require(answer == t * h * w, f"{frames} frames of {height} x {width}: expected {t * h * w}, got {answer}.")
    return "2,048 for 16 frames of 256 pixels, and right for other sizes."
