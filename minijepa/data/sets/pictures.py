"""Read a clip that is kept as a folder of numbered pictures, as Jester is."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.image import is_image, read_image
from minijepa.data.video_error import VideoError

MEND = "unpack the data set again"


def list_pictures(folder: str | os.PathLike) -> list[Path]:
    """List the pictures of a folder by their number.

    Raises:
        VideoError: no such folder, no picture in it, a name that is no number, a number that is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise VideoError.about(folder, "is not a folder", "check the spelling, or unpack the data set again")
    found = [path for path in folder.iterdir() if is_image(path)]
    odd = [path.name for path in found if not path.stem.isdecimal()]
    if odd or not found:
        wrong = f"holds {odd[0]!r}, whose name is no number" if odd else "holds no picture"
        raise VideoError.about(folder, wrong, MEND)
    found.sort(key=lambda path: int(path.stem))
    first, last = int(found[0].stem), int(found[-1].stem)
    if last - first + 1 != len(found):
        raise VideoError.about(folder, f"holds {len(found)} pictures, numbered {first} to {last}: some are missing", MEND)
    return found


def decode_pictures(folder: str | os.PathLike, indices: Sequence[int] | None = None) -> UInt8[Tensor, "c f H W"]:
    """Read the pictures of a folder as a clip.

    Args:
        folder: of the numbered pictures; the one with the smallest number is frame 0.
        indices: numbers of the wanted frames, as `minijepa.data.video.decode` takes them; None reads all.

    Returns:
        (3, f, H, W), uint8, red green blue.

    Raises:
        VideoError: as `list_pictures`; an index out of range; a picture that cannot be read or has another size.
    """
    paths = list_pictures(folder)
    wanted = range(len(paths)) if indices is None else [int(i) for i in indices]
    bad = [i for i in wanted if not 0 <= i < len(paths)]
    if bad or not len(wanted):
        wrong = f"has {len(paths)} pictures, but {f'number {bad[0]}' if bad else 'none'} was asked for"
        raise VideoError.about(folder, wrong, f"give indices from 0 to {len(paths) - 1}")
    frames = [read_image(paths[i]) for i in wanted]
    if len({frame.shape for frame in frames}) > 1:
        raise VideoError.about(folder, "holds pictures of different sizes", MEND)
    return torch.cat(frames, dim=1)
