"""Open a video file: its time line, and any of its frames.

The time line always comes from PyAV, which reads the exact time stamps without decoding a picture. The pictures come
from decord where it can (x86-64 Linux and Windows; not AV1) and from PyAV elsewhere; both give the same pixels. A
file is opened, read and closed in one process: a decord reader that lives over a fork hangs the child.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.video_error import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

Backend = Literal["auto", "decord", "pyav"]

# the file formats in which decord finds the right frame; in AVI, say, it seeks by ten frames too early
_DECORD_READS = ("mov", "matroska")
_HEALTHY = "take another file, or repair this one: ffmpeg -i broken.mp4 -c:v libx264 whole.mp4"


@dataclass(frozen=True)
class Timeline:
    """Say when each frame of a file is shown, without its pixels."""

    path: str
    ticks: tuple[int, ...]  # presentation stamps, increasing, in units of `tick` seconds
    keys: tuple[tuple[int, int], ...]  # (presentation, decoding) stamps of the frames that need no other frame
    tick: float  # seconds
    container: str  # FFmpeg's name of the file format, e.g. "mov,mp4,m4a,3gp,3g2,mj2"

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def times(self) -> np.ndarray:
        """Give the time of each frame in seconds since the first one: (f,) float64."""
        return (np.array(self.ticks, dtype=np.int64) - self.ticks[0]) * self.tick

    @property
    def fps(self) -> float:
        """Give the mean rate in Hz; 0 for a single frame."""
        span = (self.ticks[-1] - self.ticks[0]) * self.tick
        return (len(self) - 1) / span if span > 0 else 0.0


def read_timeline(path: str | os.PathLike) -> Timeline:
    """Read the time stamps of every frame, by walking the packets of the video stream.

    Args:
        path: a video file.

    Returns:
        Its time line.

    Raises:
        VideoError: missing, empty, a folder, no video file, no video stream, no frame, or cut off.
    """
    path = _existing(path)
    with _opened(path) as (container, stream):
        packets = [(p.pts, p.dts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_discard]
        if any(pts is None for pts, _, _ in packets):
            raise VideoError.about(path, "holds frames without a time stamp", _HEALTHY)
        stamps, tick = sorted(pts for pts, _, _ in packets), float(stream.time_base)
        _check_whole(path, container, stream, stamps, tick)
        keys = sorted((pts, pts if dts is None else dts) for pts, dts, key in packets if key)
        return Timeline(path, tuple(stamps), tuple(keys), tick, container.format.name)


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
    path = _existing(path)
    timeline = timeline or read_timeline(path)
    wanted = list(range(len(timeline))) if indices is None else [int(i) for i in indices]
    _check_indices(path, wanted, len(timeline))
    return torch.from_numpy(_pixels(timeline, wanted, backend)).permute(3, 0, 1, 2).contiguous()


def _existing(path: str | os.PathLike) -> str:
    """Check that `path` names a file with something in it."""
    place = Path(path)
    if not place.exists():
        raise VideoError.about(place, "does not exist", f"check the spelling and the folder (you are in {Path.cwd()})")
    if not place.is_file():
        raise VideoError.about(
            place, "is not a file", "name one video file; minijepa.data.video_files.VideoFiles takes a folder"
        )
    if place.stat().st_size == 0:
        raise VideoError.about(place, "is empty (0 bytes)", "fetch or write it again")
    return str(place)


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
    if not timeline.container.startswith(_DECORD_READS):
        raise _decord_cannot(timeline, f"it returns wrong frames of the format {timeline.container}")
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
        raise VideoError.about(timeline.path, wrong, _HEALTHY)
    return np.stack([found[timeline.ticks[i]] for i in indices])


def _pictures(timeline: Timeline, wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Jump to the key frame before each group of wanted stamps, decode on, and yield the wanted pictures."""
    starts = [pts for pts, _ in timeline.keys]
    groups: dict[int, set[int]] = {}
    for stamp in wanted:
        groups.setdefault(max(0, bisect_right(starts, stamp) - 1), set()).add(stamp)
    with _opened(timeline.path) as (container, stream):
        for key, stamps in groups.items():
            if key > 0:  # by the stamp of decoding, for that is how the index of an mp4 is sorted
                container.seek(timeline.keys[key][1], stream=stream)
            for frame in container.decode(stream):
                if frame.pts in stamps:
                    yield frame.pts, frame.to_ndarray(format="rgb24")
                if frame.pts is not None and frame.pts >= max(stamps):
                    break


@contextmanager
def _opened(path: str) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a file with PyAV on one thread, give it and its video stream, and turn PyAV's errors into ours."""
    import av  # heavy; loaded when a video is read, not when minijepa is imported

    try:
        with av.open(path, metadata_errors="ignore") as container:
            stream = container.streams.best("video")  # decord's choice too, where a cover picture is a second one
            if stream is None:
                kinds = ", ".join(sorted({other.type for other in container.streams})) or "no stream at all"
                raise VideoError.about(path, f"holds no video ({kinds})", "give a file with a video stream")
            stream.codec_context.thread_count = 1
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError.about(path, f"cannot be read as video ({error.strerror})", _HEALTHY) from error


def _check_whole(path: str, container: "InputContainer", stream: "VideoStream", stamps: list[int], tick: float) -> None:
    """Compare the frames that are there with what the head of the file promised."""
    if not stamps:
        raise VideoError.about(path, "holds a video stream without a frame", _HEALTHY)
    if len(stamps) < stream.frames:
        raise VideoError.about(path, f"is cut off: {len(stamps)} of {stream.frames} frames are there", _HEALTHY)
    # webm counts no frames, only time; beside sound, which may be the longer one, time tells nothing
    if not stream.frames and container.duration and len(container.streams) == 1:
        promised, there = container.duration / 1e6, stamps[-1] * tick  # seconds; 1e6 is FFmpeg's AV_TIME_BASE
        if promised - there > max(1.0, 0.1 * promised):
            raise VideoError.about(path, f"is cut off: {there:.1f} of {promised:.1f} seconds are there", _HEALTHY)
