"""Read a still image as a clip of one frame; data sets that mix images into videos repeat it."""

import os

import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.timeline import existing, opened
from minijepa.data.video_error import VideoError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")  # those that the released loader treats as images


def is_image(path: str | os.PathLike) -> bool:
    """Tell by the name whether a file is an image."""
    return os.fspath(path).lower().endswith(IMAGE_SUFFIXES)


def read_image(path: str | os.PathLike) -> UInt8[Tensor, "c 1 H W"]:
    """Read an image as a clip of one frame; grey, palette and transparent ones become red green blue.

    Args:
        path: a JPEG or PNG file.

    Returns:
        (3, 1, H, W), uint8, in the size of the file; a note in the file to turn it is not obeyed.

    Raises:
        VideoError: missing, empty, or no image.
    """
    path = existing(path)
    with opened(path) as (container, stream):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise VideoError.about(path, "holds no image that can be decoded", "take another file")
        return torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[:, None].contiguous()
