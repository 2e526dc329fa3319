"""The one exception that bad video input raises, and the check of a clip that all rooms of floor 1 share."""

import os

import torch
from torch import Tensor


class VideoError(ValueError):
    """Tell which video (or array) was refused, what was wrong with it and what to do.

    It holds one string on purpose: an exception that crosses from a DataLoader worker to the main process is
    built again from its message alone.
    """

    @classmethod
    def about(cls, source: str | os.PathLike, wrong: str, mend: str) -> "VideoError":
        """Build the error from its three parts: the file or array, what was wrong, and the way out."""
        return cls(f"{os.fspath(source)}: {wrong}. {mend[:1].upper()}{mend[1:]}.")


def require_clip(video: Tensor, where: str, dtype: torch.dtype = torch.uint8, axes: tuple[int, ...] = (4,)) -> None:
    """Check that `video` is a tensor (…, 3, f, H, W) of `dtype` with as many axes as `axes` allows.

    Args:
        video: the tensor to look at.
        where: name of the function that asks, for the message.
        dtype: wanted type of the numbers.
        axes: allowed numbers of axes; 4 is one clip (3, f, H, W), 5 a batch of them.

    Raises:
        VideoError: wrong type, number of axes, number of channels, or an empty axis.
    """
    wanted = f"expected a {dtype} tensor (3, f, H, W)" + (" or (b, 3, f, H, W)" if 5 in axes else "")
    if not isinstance(video, Tensor):
        raise VideoError.about(where, f"{wanted}, got {type(video).__name__}", "make it one with torch.as_tensor")
    got = f"{wanted}, got {video.dtype} {tuple(video.shape)}"
    if video.dtype != dtype:
        mend = "give raw pixels 0..255 as uint8" if dtype == torch.uint8 else "normalize the raw pixels first"
        raise VideoError.about(where, got, mend)
    if video.ndim not in axes or video.shape[-4] != 3:
        mend = "put the 3 colour channels before the frames, e.g. einops.rearrange(x, 'f H W c -> c f H W')"
        raise VideoError.about(where, got, mend + "; repeat a grey clip three times")
    if video.numel() == 0:
        raise VideoError.about(where, got, "give at least one frame of at least one pixel")
