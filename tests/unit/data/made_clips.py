"""Small video files made on the fly; every frame carries its own number, so that a wrong frame shows."""

import threading
from fractions import Fraction
from pathlib import Path

import av
import jaxtyping
import numpy as np
import pytest

BITS = 6
SIZE = (48, 96)  # height, width: BITS bars of 16 pixels


def numbered_frame(number: int) -> np.ndarray:
    """Draw a number below 2**BITS as black and white bars: (H, W, 3) uint8."""
    bars = [(number >> bit & 1) * 200 + 28 for bit in range(BITS)]
    return np.repeat(np.array(bars, dtype=np.uint8), SIZE[1] // BITS)[None, :, None].repeat(SIZE[0], 0).repeat(3, 2)


def numbers_in(video) -> list[int]:
    """Read the numbers back from (3, f, H, W)."""
    bars = video.float().mean((0, 2)).reshape(video.shape[1], BITS, -1).mean(2) > 128  # (f, BITS)
    return [sum(1 << bit for bit in range(BITS) if row[bit]) for row in bars]


def make_video(path, codec="libx264", stamps=range(60), tick=Fraction(1, 24), options=None, faststart=False) -> Path:
    """Write numbered frames with the given presentation stamps, in units of `tick` seconds."""
    options = {"g": "12", "bf": "2"} | (options or {}) if codec in ("libx264", "mpeg4") else options or {}
    layout = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=layout) as out:
        stream = out.add_stream(codec, rate=24, options=options)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = tick
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts, frame.time_base = stamp, tick
            out.mux(stream.encode(frame))
        out.start_encoding()  # a file without a frame gets its head too
        out.mux(stream.encode())
    return Path(path)


def make_sound(path) -> Path:
    """Write a tenth of a second of silence, without pictures."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4_410), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 44_100, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Path(path)


def cut(path, source, fraction=0.5) -> Path:
    """Copy the first part of a file."""
    data = Path(source).read_bytes()
    Path(path).write_bytes(data[: int(len(data) * fraction)])
    return Path(path)


def within(seconds, function, *arguments):
    """Call a function; fail where it does not come back in time. What it raises is raised here."""
    result: list = []

    def call():
        try:
            result.append(("value", function(*arguments)))
        except BaseException as error:  # handed over to the caller's thread
            result.append(("error", error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        pytest.fail(f"{function.__name__}{arguments} did not come back within {seconds} s")
    kind, value = result[0]
    if kind == "error":
        raise value
    return value


class Unchecked:
    """Switch the tests' shape checker off, to meet the library's own errors as a user does."""

    def __enter__(self):
        jaxtyping.config.update("jaxtyping_disable", True)

    def __exit__(self, *_):
        jaxtyping.config.update("jaxtyping_disable", False)
