"""The names of a LeRobot data set: files, columns, cameras, and what each of the DROID ports calls them.

meta/info.json                        version, rate, features, path templates
meta/tasks.parquet                    task_index of each instruction           (2.1: tasks.jsonl)
meta/stats.json                       mean, std, … of each feature
meta/episodes/chunk-000/file-000.parquet   a row an episode: length, files, seconds in each video  (2.1: episodes.jsonl)
data/chunk-000/file-000.parquet       a row a frame, many episodes a file      (2.1: episode_000000.parquet)
videos/KEY/chunk-000/file-000.mp4     many episodes a file                     (2.1: chunk-000/KEY/episode_000000.mp4)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minijepa_robot.data.episodes import EpisodeError

VERSION = "v3.0"  # written
READABLE = ("v3.0", "v2.1", "v2.0")  # 2.0 differs from 2.1 in its statistics alone
CHUNK = 1000  # files in a folder
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
IMAGES = "observation.images."
POSE_AXES = ("x", "y", "z", "roll", "pitch", "yaw")

# what ports call the same thing, the first is ours; from the porting script of lerobot and from loaders of other ports
POSITIONS = ("observation.state.cartesian_position", "observation.cartesian_position", "cartesian_position")
GRIPPERS = ("observation.state.gripper_position", "observation.gripper_position", "gripper_position")
SUCCESSES = ("is_episode_successful", "next.success", "success")
PREFIXES = (IMAGES, "observation.image.", "observation.")
OLDER = {"exterior_image_1_left": "exterior_1_left", "exterior_image_2_left": "exterior_2_left"}
OLDER |= {"wrist_image_left": "wrist_left"}


@dataclass(frozen=True)
class Layout:
    """Describe a data set that is to be written; every episode of it must agree."""

    cameras: Mapping[str, tuple[int, int]]  # height and width in pixels by camera
    tasks: tuple[str, ...]  # instructions that occur; their order gives task_index
    fps: float | int = 4  # Hz, of the rows
    truths: tuple[str, ...] = ()  # names of the numbers of observation.environment_state
    quality: int = 0  # 0: lossless; else the constant rate factor of x264 in yuv420p, which browsers play, e.g. 18
    file_mb: float | int = 200  # a video file that has grown to this size gets no further episode
    file_episodes: int = 1000  # and no file holds more than this
    robot: str = "franka_fr3_mujoco"


@dataclass(frozen=True)
class StateColumns:
    """Say where a data set keeps the pose and the gripper: in two columns, or in places of one."""

    position: str
    gripper: str | None = None
    places: tuple[int, ...] = field(default=())  # of x y z roll pitch yaw gripper in ``position``, if there is no second


def features(layout: Layout) -> dict[str, dict]:
    """List the features of meta/info.json for a data set of ours."""
    found = {IMAGES + name: _video(layout, size) for name, size in layout.cameras.items()}
    found |= {
        "observation.state": _floats((*POSE_AXES, "gripper")),
        "observation.state.cartesian_position": _floats(POSE_AXES),
        "observation.state.gripper_position": _floats(("gripper",)),
        "action": _floats((*POSE_AXES, "gripper")),
    }
    if layout.truths:
        found["observation.environment_state"] = _floats(layout.truths)
    found |= {f"camera_extrinsics.{name}": _floats(POSE_AXES) for name in layout.cameras}
    found["is_episode_successful"] = {"dtype": "bool", "shape": [1], "names": None}
    found["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    whole = ("frame_index", "episode_index", "index", "task_index")
    return found | {name: {"dtype": "int64", "shape": [1], "names": None} for name in whole}


def _floats(axes: tuple[str, ...]) -> dict:
    return {"dtype": "float32", "shape": [len(axes)], "names": {"axes": list(axes)}}


def _video(layout: Layout, size: tuple[int, int]) -> dict:
    height, width = size
    info = {"video.height": height, "video.width": width, "video.codec": "h264"}
    info["video.pix_fmt"] = "yuv420p" if layout.quality else "gbrp"
    info |= {"video.is_depth_map": False, "video.fps": layout.fps, "video.channels": 3, "has_audio": False}
    return {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info}


def camera_keys(found: Mapping[str, dict]) -> dict[str, str]:
    """Map our short name of each camera to the data set's key; older names become those of droid_1.0.1."""
    keys = [key for key, feature in found.items() if feature.get("dtype") == "video"]
    return {OLDER.get(short := _short(key), short): key for key in keys}


def _short(key: str) -> str:
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def state_columns(found: Mapping[str, dict], source: str) -> StateColumns:
    """Find pose and gripper among the features.

    Raises EpisodeError, which lists the features, where there is no Cartesian pose: joint angles alone are not enough.
    """
    position = next((key for key in POSITIONS if key in found), None)
    gripper = next((key for key in GRIPPERS if key in found), None)
    if position and gripper:
        return StateColumns(position, gripper)
    for key in ("observation.state", "state"):
        places = pose_places(found.get(key, {}).get("names"))
        if places:
            return StateColumns(key, None, places)
    wrong = f"holds no Cartesian pose with a gripper; its features are {', '.join(sorted(found))}"
    mend = f"wanted is {POSITIONS[0]} with {GRIPPERS[0]}, or an observation.state that names {', '.join(POSE_AXES)}, gripper"
    raise EpisodeError.about(source, wrong, mend)


def pose_places(names: object) -> tuple[int, ...]:
    """Find x y z roll pitch yaw gripper among the names of a vector, which ports wrap in "axes", "motors" or nothing."""
    if isinstance(names, Mapping):
        names = next(iter(names.values()), [])
    names = [str(name).lower() for name in names] if isinstance(names, (list, tuple)) else []
    wanted = (*POSE_AXES, "gripper")
    return tuple(names.index(name) for name in wanted) if set(wanted) <= set(names) else ()
