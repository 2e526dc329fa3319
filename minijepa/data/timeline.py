"""When is each frame of a video file shown? The answer comes from the packets, without decoding a picture."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minijepa.data.video_error import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MEND = "take another file, or repair this one: ffmpeg -i broken.mp4 -c:v libx264 whole.mp4"


@dataclass(frozen=True)
class Timeline:
    """Say when each frame of a file is shown, without its pixels."""

    path: str
    ticks: tuple[int, ...]  # presentation stamps, increasing, in units of `tick` seconds
    keys: tuple[tuple[int, int], ...]  # (presentation, decoding) stamps of the frames that need no other frame
    tick: float  # seconds
    fps: float  # Hz, the mean rate that the file states
    container: str  # FFmpeg's name of the file format, e.g. "mov,mp4,m4a,3gp,3g2,mj2"
    clean: bool  # a jump to any key frame loses nothing; False for "open groups of pictures"

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def times(self) -> np.ndarray:
        """Give the time of each frame in seconds since the first one: (f,) float64."""
        return (np.array(self.ticks, dtype=np.int64) - self.ticks[0]) * self.tick


def read_timeline(path: str | os.PathLike) -> Timeline:
    """Read the time stamps of every frame, by walking the packets of the video stream.

    Args:
        path: a video file.

    Returns:
        Its time line.

    Raises:
        VideoError: missing, empty, a folder, no video file, no video stream, no frame, or cut off.
    """
    path = existing(path)
    with opened(path) as (container, stream):
        packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
        if any(p.pts is None for p in packets):
            raise VideoError.about(path, "holds frames without a time stamp", MEND)
        stamps, tick = sorted(p.pts for p in packets), float(stream.time_base)
        _check_whole(path, container, stream, stamps, tick)
        keys = sorted((p.pts, p.pts if p.dts is None else p.dts) for p in packets if p.is_keyframe)
        clean = _is_clean(stream.codec_context.name, packets)
        return Timeline(path, tuple(stamps), tuple(keys), tick, _rate(stream, stamps), container.format.name, clean)


def existing(path: str | os.PathLike) -> str:
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


@contextmanager
def opened(path: str) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a file with PyAV on one thread, give it and its video stream, and turn PyAV's errors into ours."""
    import av  # heavy; loaded when a video is read, not when minijepa is imported

    try:
        with av.open(path, metadata_errors="ignore") as container:
            stream = container.streams.best("video")  # decord's choice too, where a cover picture is a second one
            if stream is None:
                kinds = ", ".join(sorted({other.type for other in container.streams})) or "no stream at all"
                raise VideoError.about(path, f"holds no video ({kinds})", "give a file with a video stream")
            if stream.codec_context is None:
                raise VideoError.about(path, "is in a code that nobody here can decode", MEND)
            stream.codec_context.thread_count = 1
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError.about(path, f"cannot be read as video ({error.strerror})", MEND) from error


def _check_whole(path: str, container: "InputContainer", stream: "VideoStream", stamps: list[int], tick: float) -> None:
    """Compare the frames that are there with what the head of the file promised."""
    if not stamps:
        raise VideoError.about(path, "holds a video stream without a frame", MEND)
    if len(stamps) < stream.frames:
        raise VideoError.about(path, f"is cut off: {len(stamps)} of {stream.frames} frames are there", MEND)
    # webm counts no frames, only time; beside sound, which may be the longer one, time tells nothing
    if not stream.frames and container.duration and len(container.streams) == 1:
        promised, there = container.duration / 1e6, stamps[-1] * tick  # seconds; 1e6 is FFmpeg's AV_TIME_BASE
        if promised - there > max(1.0, 0.1 * promised):
            raise VideoError.about(path, f"is cut off: {there:.1f} of {promised:.1f} seconds are there", MEND)


def _rate(stream: "VideoStream", stamps: list[int]) -> float:
    """Give the stated mean rate in Hz, or the measured one, or 0 for a single frame."""
    span = (stamps[-1] - stamps[0]) * float(stream.time_base)
    return float(stream.average_rate or (round((len(stamps) - 1) / span, 6) if span else 0))


def _is_clean(codec: str, packets: list["Packet"]) -> bool:
    """Tell whether no picture, in any group, refers back over a key frame: only then does a jump to it lose nothing.

    A file with open groups shows pictures before a key frame that are stored behind it, or has key frames that are
    mere recovery points.
    """
    key = packets[0]
    for packet in packets[1:]:
        if packet.is_keyframe:
            key = packet
            if not _starts_afresh(codec, packet):
                return False
        elif packet.pts < key.pts:
            return False
    return True


def _starts_afresh(codec: str, packet: "Packet") -> bool:
    """Look for an IDR picture among the units of a key packet (H.264: type 5; HEVC: types 19 and 20)."""
    if codec not in ("h264", "hevc"):
        return True  # VP8 and VP9 have no other key pictures; in the older ones the order of the stamps tells
    data, place, fresh = bytes(packet), 0, False
    while place + 5 <= len(data):
        head = data[place + 4]
        fresh |= head & 31 == 5 if codec == "h264" else head >> 1 & 63 in (19, 20)
        place += 4 + int.from_bytes(data[place : place + 4], "big")  # mp4 and mkv: four bytes of length, then the unit
    return fresh and place == len(data)
