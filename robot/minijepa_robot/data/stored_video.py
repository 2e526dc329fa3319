"""The pictures of an episode that still lie in a video file, read when their rows are asked for."""

import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int, UInt8

from minijepa.data.video import Timeline, decode, read_timeline
from minijepa_robot.data.episodes import EpisodeError, nearest


@dataclass(frozen=True)
class StoredVideo:
    """Say which frame of a file belongs to each row of an episode, and read it on demand.

    ``at`` holds frame numbers (whole numbers) or seconds since the file's first frame (floats). Seconds are matched with
    the time stamps of the file to within ``slack``; the rate that its head states is not used.
    """

    path: str
    at: np.ndarray  # (f,) frame numbers, or seconds
    slack: float = 0.03  # s

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows) -> UInt8[np.ndarray, "k H W 3"]:
        """Decode the pictures of some rows; raises VideoError or EpisodeError, both ValueErrors, where that fails."""
        timeline = file_timeline(self.path)
        # PyAV jumps to the key frame before each wanted one; decord would first index a file of many episodes
        video = decode(self.path, self.frames(rows, timeline).tolist(), backend="pyav", timeline=timeline)
        return video.permute(1, 2, 3, 0).contiguous().numpy()

    def frames(self, rows, timeline: Timeline) -> Int[np.ndarray, "k"]:
        """Return the numbers of the frames of some rows."""
        at = self.at[rows]
        if at.dtype.kind != "f":
            return at.astype(np.int64)
        times = timeline.times
        found = nearest(times, at.astype(np.float64))
        off = np.abs(times[found] - at)
        if off.max() > self.slack:
            wrong = f"has no frame at {at[off.argmax()]:.3f} s, the nearest is {off.max():.3f} s away"
            raise EpisodeError.about(self.path, wrong, "fetch the file again, or leave this episode out")
        return found


def file_timeline(path: str | os.PathLike) -> Timeline:
    """Read a file's time line, or remember it: a file may hold many episodes. Raises VideoError as ``read_timeline``."""
    place = os.fspath(path)
    stat = os.stat(place) if os.path.isfile(place) else None
    return _timeline(place, stat and (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=16)
def _timeline(path: str, version: tuple[int, int] | None) -> Timeline:
    return read_timeline(path)
