"""Episodes made on the spot, and data sets in their true formats, for tests: nobody's data, small, and known to the pixel."""

import json
from pathlib import Path

import numpy as np
import torch

from minijepa.data.video import write_clip
from minijepa_robot.data.episodes import Episode, Truth

PIXELS = (48, 64)


def states(rows=12, seed=0):
    """A hand that wanders, turns through pi in its first angle, and closes."""
    generator = np.random.default_rng(seed)
    place = np.array([0.45, 0.0, 0.2]) + 0.02 * generator.standard_normal((rows, 3)).cumsum(0)
    angles = np.column_stack((np.linspace(3.0, 3.3, rows), 0.1 * generator.standard_normal((rows, 2))))
    angles = (angles + np.pi) % (2 * np.pi) - np.pi
    return np.column_stack((place, angles, np.linspace(0, 1, rows)))


def pictures(rows=12, seed=0, size=PIXELS):
    """Grey pictures whose brightness tells the row: 20, 36, 52, …, and whose left half tells the seed."""
    grey = 20 + 16 * (np.arange(rows) % 14)
    frames = np.broadcast_to(grey[:, None, None, None], (rows, *size, 3)).astype(np.uint8).copy()
    frames[:, :, : size[1] // 2] = 40 * (seed % 6) + 10
    return frames


def row_of(frames):
    """Read the row off the brightness of the right half of pictures (k, H, W, 3)."""
    right = np.asarray(frames, dtype=float)[:, :, -PIXELS[1] // 4 :].mean((1, 2, 3))
    return np.rint((right - 20) / 16).astype(int)


def seed_of(frames):
    """Read the seed off the left half."""
    return np.rint((np.asarray(frames, dtype=float)[:, :, : PIXELS[1] // 4].mean((1, 2, 3)) - 10) / 40).astype(int)


def episode(rows=12, seed=0, cameras=("side", "wrist"), fps=4, truth=True):
    """One episode with everything in it."""
    generator = np.random.default_rng(seed + 100)
    return Episode(
        timestamps=np.arange(rows) / fps,
        states=states(rows, seed),
        videos={name: pictures(rows, seed + place) for place, name in enumerate(cameras)},
        success=seed % 2 == 0,
        task="pick up the cube",
        extrinsics={name: generator.standard_normal((rows, 6)) for name in cameras},
        commands=generator.standard_normal((rows, 7)),
        truth=Truth(("cube.x", "cube.y"), generator.standard_normal((rows, 2)), json.dumps({"seed": seed})) if truth else None,
    )


def write_video(path: Path, frames: np.ndarray, fps=15):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_clip(path, torch.from_numpy(frames).permute(3, 0, 1, 2), fps=fps, quality=8)


def droid_episode(folder: Path, rows=40, seed=0, play=60, frames=None, sidecar=None, clock=True, serials=("11", "22")):
    """Write an episode folder of raw DROID; the mp4 plays at 60 Hz although rows come at 15.

    frames: rows whose frame is in the video; sidecar: write SERIAL_timestamps.json for them.
    """
    import h5py

    frames = np.arange(rows) if frames is None else np.asarray(frames)
    stamps = 1_700_000_000_000 + np.rint(np.arange(rows) * 1000 / 15).astype(np.int64)
    pose = states(rows, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "trajectory.h5", "w") as file:
        file["observation/robot_state/cartesian_position"] = pose[:, :6]
        file["observation/robot_state/gripper_position"] = pose[:, 6]
        for number, serial in enumerate(serials):
            file[f"observation/camera_extrinsics/{serial}_left"] = np.tile([0.5 + number, 0.1, 0.6, 0.2, 0.3, 0.4], (rows, 1))
            if clock:
                file[f"observation/timestamp/cameras/{serial}_frame_received"] = stamps
        file["action/cartesian_position"] = pose[:, :6]
    for number, serial in enumerate(serials):
        write_video(folder / "recordings" / "MP4" / f"{serial}.mp4", pictures(rows, seed + number)[frames], fps=play)
        if sidecar:
            text = json.dumps(stamps[frames].tolist())
            (folder / "recordings" / "MP4" / f"{serial}_timestamps.json").write_text(text)
    names = dict(zip(("left_mp4_path", "right_mp4_path"), (f"AUTOLab/x/recordings/MP4/{s}.mp4" for s in serials)))
    about = {"uuid": f"AUTOLab+{seed}", "success": True, "current_task": "put the cup away", "trajectory_length": rows} | names
    (folder / f"metadata_AUTOLab+{seed}.json").write_text(json.dumps(about))
    return folder
