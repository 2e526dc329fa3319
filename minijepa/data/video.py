"""Floor 1, real video: from a file to a clip that the encoder eats.

    path --read_timeline--> times --sample_indices--> frame numbers --decode--> uint8 (3, f, H, W)
         --evaluation_clip or training_clip--> float32 (3, f, crop, crop)

`read_clip` walks the first three steps; `VideoFiles` walks all of them for training. Each step has its own file.
"""

import os
from typing import Literal

from jaxtyping import UInt8
from torch import Generator, Tensor

from minijepa.data.decode import Backend, decode
from minijepa.data.preprocess import (
    denormalize,
    evaluation_clip,
    evaluation_views,
    normalize,
    random_box,
    training_clip,
)
from minijepa.data.sampling import released_indices, released_stride, sample_indices, uniform_indices
from minijepa.data.timeline import Timeline, read_timeline
from minijepa.data.video_error import VideoError, require_clip
from minijepa.data.write import write_clip

__all__ = [
    "Backend",
    "Rule",
    "Timeline",
    "VideoError",
    "decode",
    "denormalize",
    "evaluation_clip",
    "evaluation_views",
    "normalize",
    "random_box",
    "read_clip",
    "read_timeline",
    "released_indices",
    "released_stride",
    "require_clip",
    "sample_indices",
    "training_clip",
    "uniform_indices",
    "write_clip",
]

Rule = Literal["timestamps", "released"]


def read_clip(
    path: str | os.PathLike,
    frames: int,
    fps: float | int,
    generator: Generator | None = None,
    rule: Rule = "timestamps",
    repeat_last: bool = False,
    backend: Backend = "auto",
) -> UInt8[Tensor, "c f H W"]:
    """Read one clip of `frames` frames at `fps` Hz from a video file.

    Differs: see `sample_indices`; rule="released" counts frames as src/datasets/video_dataset.py does, so that
    `fps` is only kept roughly and must be a whole number.

    Args:
        path: a video file.
        frames: frames in the clip.
        fps: wanted rate in Hz; official pretraining uses 4.
        generator: source of a random start; None takes the middle of the video ("released": its beginning).
        rule: choose frames by time stamps or by the released count.
        repeat_last: hold the last frame where the video is too short; "released" always does.
        backend: who decodes; see `decode`.

    Returns:
        (3, frames, H, W), uint8, red green blue, in the size of the file.

    Raises:
        VideoError: the file cannot be read, or is too short.
    """
    timeline = read_timeline(path)
    try:
        if rule == "released":
            stride = released_stride(timeline.fps, _whole(fps))
            indices = released_indices(len(timeline), frames, stride, generator=generator)
        else:
            indices = sample_indices(timeline.times, frames, fps, generator=generator, repeat_last=repeat_last)
    except VideoError as error:  # say which file it was
        raise VideoError(str(error).replace("this video", timeline.path, 1)) from None
    return decode(path, indices[0].tolist(), backend, timeline)


def _whole(fps: float | int) -> int:
    if fps != int(fps):
        raise VideoError.about("this video", f"the released rule cannot take {fps} Hz", "give a whole number of Hz")
    return int(fps)
