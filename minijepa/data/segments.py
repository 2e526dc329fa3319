"""Cut a labelled video as the evaluations do: several segments along time, several views along the long side.

    path --released_indices--> s clips of f frames --evaluation_views--> float32 (v, s, 3, f, S, S)

Official files: src/datasets/video_dataset.py and evals/video_classification_frozen/utils.py.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator

from minijepa.data.decode import decode
from minijepa.data.preprocess import evaluation_views
from minijepa.data.sampling import released_indices
from minijepa.data.sets.pictures import decode_pictures, list_pictures
from minijepa.data.timeline import read_timeline
from minijepa.data.video_error import VideoError


@dataclass(frozen=True)
class Cut:
    """Say which pixels of a video an evaluation reads; the default is the released one of ViT-L on SSv2 (16 x 2 x 3)."""

    frames: int = 16  # in a segment
    stride: int = 4  # frames of the video between two of them
    segments: int = 2  # equal parts of the video, a clip in each; their tokens are read together
    views: int = 3  # squares along the long side; their probabilities are averaged
    crop: int = 256  # pixels, side of a square
    antialias: bool = False  # True: resize as the processor of transformers does

    @classmethod
    def kinetics(cls, crop: int = 256) -> "Cut":
        """Return 16 x 8 x 3, also used for COIN."""
        return cls(segments=8, crop=crop)

    @classmethod
    def diving48(cls, crop: int = 256) -> "Cut":
        """Return 32 x 4 x 3 with stride 2, also used for Jester; the probe reads the tokens of four layers."""
        return cls(frames=32, stride=2, segments=4, crop=crop)

    @classmethod
    def ssv2_g384(cls) -> "Cut":
        """Return 64 x 2 x 3 with stride 2 at 384 px, of the largest model on SSv2."""
        return cls(frames=64, stride=2, crop=384)


def cut_video(
    path: str | os.PathLike, cut: Cut, between: tuple[int, int] | None = None, generator: Generator | None = None
) -> Float[torch.Tensor, "v s c f S S"]:
    """Read the segments and views of one video.

    In each of the equal parts of the video the clip starts at random where a generator is given, as in the released
    evaluation, test included; else at the part's beginning.

    Args:
        path: a video file, or a folder of numbered pictures.
        cut: which pixels.
        between: first and last frame of the labelled piece; None takes all of the video.
        generator: source of the starts (on the CPU).

    Returns:
        (views, segments, 3, frames, crop, crop), float32, normalised.

    Raises:
        VideoError: the video cannot be read, is shorter than its segments, or the piece lies outside of it.
    """
    folder = Path(path).is_dir()
    timeline = None if folder else read_timeline(path)
    count = len(list_pictures(path)) if folder else len(timeline)
    first, last = between or (0, count - 1)
    if not 0 <= first <= last or first >= count:
        wrong = f"has {count} frames, but the labelled piece is {first} to {last}"
        raise VideoError.about(path, wrong, "are video and annotation of the same release?")
    length = min(last, count - 1) - first + 1
    indices = released_indices(length, cut.frames, cut.stride, cut.segments, generator, overlap=True) + first
    wanted = indices.reshape(-1).tolist()
    pixels = decode_pictures(path, wanted) if folder else decode(path, wanted, timeline=timeline)
    views = evaluation_views(pixels, cut.crop, cut.views, cut.antialias)
    return views.unflatten(2, (cut.segments, cut.frames)).transpose(1, 2).contiguous()
