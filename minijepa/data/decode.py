"""Read the pixels of any frames of a video file.

The time line comes from PyAV, the pictures from decord where it can be trusted and from PyAV elsewhere; there both
give the same pixels. Measured with decord 0.6.0: it cannot open AV1, and after a jump it returns other frames than
asked for in AVI and in files with open groups of pictures (common in HEVC). A file is opened, read and closed in one
process: a decord reader that lives over a fork hangs the child.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.timeline import MEND, Timeline, existing, opened, read_timeline
from minijepa.data.video_error import VideoError

Backend = Literal["auto", "decord", "pyav"]


def decode(
    path: str | os.PathLike,
    indices: Sequence[int] | None = None,
    backend: Backend = "auto",
    timeline: Timeline | None = None,
) -> UInt8[Tensor, "c f H W"]:
    """Read frames of a video file as pixels.

    Args:
        path: a video file.
        indices: numbers of the wanted frames in order of time, 0 the first; they may repeat and go backwards.
            None reads all of them.
        backend: "auto" is decord, and PyAV where decord is not installed or fails; or one of the two by name.
        timeline: what `read_timeline` gave for this file, if it is at hand.

    Returns:
        (3, f, H, W), uint8, red green blue.

    Raises:
        VideoError: as `read_timeline`; an index out of range; a frame that cannot be decoded.
    """
    path = existing(path)
    timeline = timeline or read_timeline(path)
    wanted = list(range(len(timeline))) if indices is None else [int(i) for i in indices]
    _check_indices(path, wanted, len(timeline))
    return torch.from_numpy(_pixels(timeline, wanted, backend)).permute(3, 0, 1, 2).contiguous()


def _check_indices(path: str, indices: list[int], count: int) -> None:
    if not indices:
        raise VideoError.about(path, "no frame was asked for", "give at least one index")
    bad = [i for i in indices if not 0 <= i < count]
    if bad:
        wrong = f"has {count} frames, but frame {bad[0]} was asked for ({len(bad)} such indices)"
        raise VideoError.about(path, wrong, f"give indices from 0 to {count - 1}")


def _pixels(timeline: Timeline, indices: list[int], backend: Backend) -> np.ndarray:
    """Read (f, H, W, 3) through the wanted backend."""
    if backend == "pyav":
        return _decode_with_pyav(timeline, indices)
    try:
        return _decode_with_decord(timeline, indices)
    except VideoError:
        if backend == "decord":
            raise
        return _decode_with_pyav(timeline, indices)


def _decode_with_decord(timeline: Timeline, indices: list[int]) -> np.ndarray:
    """Read (f, H, W, 3) through decord, or refuse where its frames would be missing or others than asked for."""
    if not (timeline.clean and timeline.container.startswith(("mov", "matroska"))):
        kind = timeline.container + ("" if timeline.clean else " with open groups of pictures")
        raise _decord_cannot(timeline, f"it returns wrong frames of the format {kind}")
    try:
        import decord  # no wheel for arm64 and macOS

        decord.logging.set_level(decord.logging.QUIET)  # what goes wrong is told by the exception
        reader = decord.VideoReader(timeline.path, num_threads=1)
        if len(reader) == len(timeline):
            return reader.get_batch(indices).asnumpy()
    except Exception as error:  # decord.DECORDError is a plain Exception, and decord may not be there to name it
        raise _decord_cannot(timeline, " ".join(str(error).split())[:200]) from error
    raise _decord_cannot(timeline, f"it counts {len(reader)} frames, the time stamps say {len(timeline)}")


def _decord_cannot(timeline: Timeline, reason: str) -> VideoError:
    return VideoError.about(timeline.path, f"decord cannot read it: {reason}", "use backend='auto' or 'pyav'")


def _decode_with_pyav(timeline: Timeline, indices: list[int]) -> np.ndarray:
    """Read (f, H, W, 3) through PyAV, one pass over the wanted stamps in increasing order."""
    wanted = sorted({timeline.ticks[i] for i in indices})
    found = dict(_pictures(timeline, wanted))
    missing = [stamp for stamp in wanted if stamp not in found]
    if missing:
        when = (missing[0] - timeline.ticks[0]) * timeline.tick
        wrong = f"{len(missing)} of {len(wanted)} wanted frames cannot be decoded, the first at {when:.3f} s"
        raise VideoError.about(timeline.path, wrong, MEND)
    return np.stack([found[timeline.ticks[i]] for i in indices])


def _pictures(timeline: Timeline, wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Jump to the key frame before each group of wanted stamps, decode on, and yield the wanted pictures."""
    starts = [pts for pts, _ in timeline.keys]
    groups: dict[int, set[int]] = {}
    for stamp in wanted:
        groups.setdefault(max(0, bisect_right(starts, stamp) - 1), set()).add(stamp)
    with opened(timeline.path) as (container, stream):
        for key, stamps in groups.items():
            if key > 0:  # by the stamp of decoding, for that is how the index of an mp4 is sorted
                container.seek(timeline.keys[key][1], stream=stream)
            for frame in container.decode(stream):
                if frame.pts in stamps:
                    yield frame.pts, frame.to_ndarray(format="rgb24")
                if frame.pts is not None and frame.pts >= max(stamps):
                    break
