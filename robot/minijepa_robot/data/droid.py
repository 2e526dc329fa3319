"""Read episodes in the raw form of DROID, as the official code does (facebookresearch/vjepa2 app/vjepa_droid/droid.py).

    a list file, one episode folder a line        or a folder below which the episodes lie
    EPISODE/trajectory.h5                 observation/robot_state/cartesian_position (f, 6), gripper_position (f,)
                                          observation/camera_extrinsics/SERIAL_left (f, 6)
                                          observation/timestamp/cameras/SERIAL_frame_received (f,) ms
    EPISODE/metadata_*.json               left_mp4_path, right_mp4_path, wrist_mp4_path, … and success, current_task
    EPISODE/recordings/MP4/SERIAL.mp4     beside it perhaps SERIAL_timestamps.json: a whole number of ms for each frame

Rows come at about 15 Hz, while the files may play at 60: frames are matched to rows by the camera's clock where both sides
have it, else by their number, which is accepted where there are as many rows as frames, or one more.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from minijepa_robot.data.episodes import Episode, EpisodeError
from minijepa_robot.data.stored_video import StoredVideo, file_timeline

RATE = 15.0  # Hz, of the rows; used where the file holds no clock
POSITION = "observation/robot_state/cartesian_position"
GRIPPER = "observation/robot_state/gripper_position"
CLOCK = "observation/timestamp/cameras/{serial}_frame_received"
MP4 = "_mp4_path"
EXPECTED = "a folder with trajectory.h5, metadata_*.json and recordings/MP4/SERIAL.mp4"


class DroidEpisodes:
    """Hold the episodes of a copy of raw DROID.

    Args:
        path: an episode's folder, a folder above some, or a text file that names one a line.
        cameras: "left", "right", "wrist", …: the names before _mp4_path in metadata. The released training takes the left.

    Raises:
        EpisodeError: no episode there.
    """

    def __init__(self, path: str | os.PathLike, cameras: Sequence[str] | None = None) -> None:
        self.folders = list_folders(Path(path))
        self._cameras = tuple(cameras or ("left",))
        self.fps = RATE

    @property
    def cameras(self) -> tuple[str, ...]:
        """Name the cameras."""
        return self._cameras

    def __len__(self) -> int:
        return len(self.folders)

    def name(self, index: int) -> str:
        """Tell which episode that is."""
        return str(self.folders[index])

    def __getitem__(self, index: int) -> Episode:
        """Open an episode: rows are read now, the videos' time lines looked at, pictures read when they are asked for.

        With several cameras, the rows are those that all of them saw. Raises EpisodeError or VideoError, both ValueErrors.
        """
        return read_episode(self.folders[index], self._cameras)


def read_episode(folder: Path, cameras: Sequence[str] = ("left",)) -> Episode:
    """Read one episode folder; see ``DroidEpisodes``."""
    metadata = read_metadata(folder)
    serials = {name: _serial(folder, metadata, name) for name in cameras}
    path = folder / "trajectory.h5"
    try:
        with h5py.File(path, "r") as file:
            states = np.column_stack((_numbers(file, POSITION, path), _numbers(file, GRIPPER, path))).astype(np.float64)
            clocks = {s: file[CLOCK.format(serial=s)][:] for s in serials.values() if CLOCK.format(serial=s) in file}
            places = {name: _extrinsics(file, serial, len(states)) for name, serial in serials.items()}
    except OSError as error:
        raise EpisodeError.about(path, f"cannot be read ({error})", f"fetch it again; an episode is {EXPECTED}") from error
    videos = {name: folder / "recordings" / "MP4" / f"{serial}.mp4" for name, serial in serials.items()}
    frames = {name: frame_rows(videos[name], clocks.get(serials[name]), len(states)) for name in cameras}
    seen = np.flatnonzero(np.all([part >= 0 for part in frames.values()], axis=0)) if frames else np.arange(len(states))
    if not len(seen):
        raise EpisodeError.about(folder, "no row was seen by all cameras", "ask for one camera")
    return Episode(
        timestamps=_seconds(clocks.get(serials[cameras[0]]) if cameras else None, len(states))[seen],
        states=states[seen],
        videos={name: StoredVideo(str(videos[name]), frames[name][seen]) for name in cameras},
        success=metadata.get("success"),
        task=str(metadata.get("current_task") or ""),
        extrinsics={name: part[seen] for name, part in places.items() if part is not None},
    )


def list_folders(path: Path) -> list[Path]:
    """Name the episode folders that a list file or a folder stands for, in their order.

    A list has a folder a line, relative to the list or absolute; what follows a space is left out, as the official CSV has it.
    """
    if path.is_dir():
        found = sorted(Path(place) for place, folders, files in _walk(path) if "trajectory.h5" in files)
    elif path.is_file():
        try:
            lines = [line.strip().strip('"') for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise EpisodeError.about(path, "is no text file", f"name a folder a line; an episode is {EXPECTED}") from error
        found = [_folder(path.parent, line) for line in lines]
    else:
        raise EpisodeError.about(path, "does not exist", f"check the spelling (you are in {Path.cwd()})")
    if not found:
        raise EpisodeError.about(path, "holds no episode", f"an episode is {EXPECTED}")
    return found


def _walk(path: Path):
    for place, folders, files in os.walk(path):
        folders[:] = [] if "trajectory.h5" in files else sorted(folders)  # nothing of interest lies below an episode
        yield place, folders, files


def _folder(above: Path, line: str) -> Path:
    whole = above / line
    return whole if whole.is_dir() else above / line.split(" ")[0]


def read_metadata(folder: Path) -> dict:
    """Read the metadata of an episode; raises EpisodeError where there is none or it is broken."""
    if not folder.is_dir():
        raise EpisodeError.about(folder, "does not exist", "correct the list of episodes")
    files = sorted(folder.glob("metadata_*.json")) or sorted(folder.glob("*.json"))
    if not files:
        raise EpisodeError.about(folder, "holds no metadata_*.json", f"an episode is {EXPECTED}")
    try:
        return json.loads(files[0].read_text(encoding="utf-8"))
    except ValueError as error:
        raise EpisodeError.about(files[0], f"is no json ({error})", "fetch it again") from error


def cameras_of(metadata: dict) -> dict[str, str]:
    """Map the cameras that metadata names to their serial numbers."""
    paths = {key.removesuffix(MP4): value for key, value in metadata.items() if key.endswith(MP4) and value}
    return {name: Path(str(value)).stem for name, value in paths.items()}


def _serial(folder: Path, metadata: dict, camera: str) -> str:
    there = cameras_of(metadata)
    if camera not in there:
        wrong = f"its metadata has no {camera}{MP4}; cameras: {', '.join(there) or 'none'}"
        raise EpisodeError.about(folder, wrong, "ask for one of these cameras")
    return there[camera]


def _numbers(file: h5py.File, key: str, path: Path) -> np.ndarray:
    if key not in file:
        raise EpisodeError.about(path, f"lacks {key}", f"an episode is {EXPECTED}")
    return file[key][:]


def _extrinsics(file: h5py.File, serial: str, rows: int) -> np.ndarray | None:
    """Read where the left lens stood at each row, in the base frame; None where the file does not say."""
    key = f"observation/camera_extrinsics/{serial}_left"
    found = file[key][:].astype(np.float64) if key in file else None
    return found if found is not None and found.shape == (rows, 6) and np.isfinite(found).all() else None


def frame_rows(video: Path, clock: np.ndarray | None, rows: int) -> np.ndarray:
    """Return for each row the number of its frame in the video, -1 where the camera has none.

    clock: (rows,) ms at which the camera took the picture of each row, from trajectory.h5.
    Raises EpisodeError where frames and rows cannot be brought together, VideoError where the file cannot be read.
    """
    frames = len(file_timeline(video))
    stamps = _sidecar(video)
    if stamps is None or clock is None:
        if rows - frames not in (0, 1):
            wrong = f"has {frames} frames for {rows} rows, and no {video.stem}_timestamps.json that says which is which"
            raise EpisodeError.about(video, wrong, "export the time stamps from the SVO file, or leave this episode out")
        return np.where(np.arange(rows) < frames, np.arange(rows), -1)
    if len(stamps) != frames:
        wrong = f"has {frames} frames and {len(stamps)} time stamps beside it"
        raise EpisodeError.about(video, wrong, "fetch both again, or leave this episode out")
    number = {int(stamp): frame for frame, stamp in enumerate(stamps)}
    found = np.array([number.get(int(moment), -1) for moment in clock])
    if (found >= 0).sum() < frames or (np.diff(found[found >= 0]) <= 0).any():
        wrong = f"{frames - (found >= 0).sum()} of its {frames} frames were taken at no row's time, or not in order"
        raise EpisodeError.about(video, wrong, "fetch trajectory.h5 and the time stamps again, or leave this episode out")
    return found


def _sidecar(video: Path) -> np.ndarray | None:
    path = video.with_name(f"{video.stem}_timestamps.json")
    if not path.is_file():
        return None
    try:
        return np.array(json.loads(path.read_text(encoding="utf-8")), dtype=np.int64).ravel()
    except (ValueError, TypeError) as error:
        raise EpisodeError.about(path, f"holds no list of whole numbers ({error})", "fetch it again") from error


def _seconds(clock: np.ndarray | None, rows: int) -> np.ndarray:
    """Return the time of each row in seconds from the first; by the camera's clock, else evenly at 15 Hz."""
    if clock is None or len(clock) != rows or not (np.diff(clock) > 0).all():
        return np.arange(rows) / RATE
    return (clock - clock[0]).astype(np.float64) / 1000
