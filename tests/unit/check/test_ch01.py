"""The graders of chapter 01 accept the library and name the typical mistakes."""

import numpy as np
import pytest
from einops import rearrange

from minijepa.check import ch01
from minijepa.config import EncoderConfig
from minijepa.data.sampling import sample_indices
from minijepa.show.cost import tokens_of


def by_time(times, frames, fps):
    return sample_indices(times, frames, fps)[0]


def nearest(times, frames, fps):
    instants = (times[-1] - (frames - 1) / fps) / 2 + np.arange(frames) / fps
    return np.abs(times[None] - instants[:, None]).argmin(1)


def from_the_start(times, frames, fps):
    return np.searchsorted(times, np.arange(frames) / fps + 1e-6, side="right") - 1


def by_stride(times, frames, fps):
    return 10 + np.arange(frames) * 6


def cut(video, tubelet, patch, pattern="b c (t u) (h p) (w q) -> b (t h w) (c u p q)"):
    return rearrange(video, pattern, u=tubelet, p=patch, q=patch)


def tokens(frames, height, width, tubelet, patch):
    return tokens_of(EncoderConfig(tubelet=tubelet, patch=patch), frames, height, width)


def raises(first, second, *rest):
    raise IndexError("out of range")


WRONG = [
    (ch01.frames_by_time, nearest, "nearest frame"),
    (ch01.frames_by_time, from_the_start, "starts at 0 s"),
    (ch01.frames_by_time, by_stride, "fixed stride"),
    (ch01.frames_by_time, lambda times, frames, fps: by_time(times, frames, fps)[::-1], "order of time"),
    (ch01.frames_by_time, lambda times, frames, fps: by_time(times, frames, fps) + 0.5, "whole"),
    (ch01.frames_by_time, lambda times, frames, fps: by_time(times, frames, fps) * np.nan, "NaN"),
    (ch01.frames_by_time, lambda times, frames, fps: by_time(times, frames + 1, fps), "8 frame numbers"),
    (ch01.frames_by_time, lambda times, frames, fps: None, "return"),
    (ch01.frames_by_time, raises, "IndexError"),
    (ch01.tubelets, lambda v, u, p: cut(v, u, p, "b c (t u) (h p) (w q) -> b (h w t) (c u p q)"), "time runs fastest"),
    (ch01.tubelets, lambda v, u, p: cut(v, u, p, "b c (t u) (h p) (w q) -> b (t h w) (u p q c)"), "colour comes last"),
    (ch01.tubelets, lambda v, u, p: cut(v, u, p, "b c (u t) (h p) (w q) -> b (t h w) (c u p q)"), "frames that lie apart"),
    (ch01.tubelets, lambda v, u, p: v.reshape(2, 12, 384), "reshape alone"),
    (ch01.tubelets, lambda v, u, p: cut(v, u, p).transpose(1, 2), "shape"),
    (ch01.tubelets, lambda v, u, p: cut(v, u, p) * float("nan"), "NaN"),
    (ch01.tubelets, lambda v, u, p: None, "return"),
    (ch01.tubelets, raises, "IndexError"),
    (ch01.count_tokens, lambda f, h, w, u, p: f * (h // p) * (w // p), "spans `tubelet` frames"),
    (ch01.count_tokens, lambda f, h, w, u, p: (h // p) * (w // p), "time is missing"),
    (ch01.count_tokens, lambda f, h, w, u, p: f // u * (h // p) ** 2, "may differ"),
    (ch01.count_tokens, lambda f, h, w, u, p: float("nan"), "expected 2048"),
    (ch01.count_tokens, lambda f, h, w, u, p: None, "return"),
    (ch01.count_tokens, raises, "IndexError"),
]


@pytest.mark.parametrize("grade, fn", [(ch01.frames_by_time, by_time), (ch01.tubelets, cut), (ch01.count_tokens, tokens)])
def test_library_passes(grade, fn):
    assert grade(fn).passed, grade(fn)


@pytest.mark.parametrize("grade, fn, part", WRONG)
def test_typical_mistake_is_named(grade, fn, part):
    verdict = grade(fn)
    assert not verdict.passed and part in verdict.message, verdict
