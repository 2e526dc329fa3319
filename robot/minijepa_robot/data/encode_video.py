"""Append the pictures of one episode after another to one mp4 file."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from minijepa_robot.data.episodes import EpisodeError

GROUP = 16  # frames between key frames at most; a reader decodes up to so many for one picture


class VideoTrack:
    """Encode pictures to H.264 as they come; every ``append`` begins with a key frame.

    Quality 0 keeps every pixel as it is (RGB, lossless); above it is the constant rate factor of yuv420p, which browsers play
    and which halves the colours' resolution: of a 64-px picture of the arm 34 dB are left, however many bits are spent.
    One thread and fixed settings: the same pictures give the same bytes on a machine. To be used as a context manager.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float | int, quality: int) -> None:
        self.path, self.size, self.fps, self.frames = path, size, Fraction(fps).limit_denominator(1001), 0
        self._bytes = 0
        if size[0] % 2 or size[1] % 2:
            raise EpisodeError.about(path, f"H.264 wants even sides, got {size}", "draw pictures of even height and width")
        self._out = av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"})
        # x264's macroblock tree reads memory that it never wrote, see minijepa.data.write
        own = {"x264-params": f"mbtree=0:keyint={GROUP}", "crf": str(quality)}
        self._stream = self._out.add_stream("libx264" if quality else "libx264rgb", rate=self.fps, options=own)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p" if quality else "rgb24"
        context = self._stream.codec_context
        context.thread_count = 1
        if quality:
            context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG

    def __enter__(self) -> "VideoTrack":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._out.mux(self._stream.encode())
        self._out.close()

    @property
    def seconds(self) -> float:
        """Tell how long the file is so far."""
        return float(self.frames / self.fps)

    def append(self, pictures: UInt8[np.ndarray, "f H W 3"]) -> None:
        """Encode the pictures of an episode; raises EpisodeError for another size than that of the file."""
        if pictures.shape[1:3] != self.size:
            wrong = f"expected pictures of {self.size} px (height, width), got {pictures.shape[1:3]}"
            raise EpisodeError.about(self.path, wrong, "write each size to a data set of its own")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = self.frames, 1 / self.fps
            if number == 0:
                frame.pict_type = PictureType.I
            packets = self._stream.encode(frame)
            self._out.mux(packets)
            self._bytes += sum(packet.size for packet in packets)
            self.frames += 1

    def megabytes(self) -> float:
        """Tell how large the file is so far; the encoder holds some tens of frames back."""
        return self._bytes / 1e6
