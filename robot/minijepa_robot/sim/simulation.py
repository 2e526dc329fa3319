"""Move a simulated FR3 by small changes of its hand's pose, four times a second, and look at it.

An action is a change of the commanded pose: x, y, z in metres, three angles in radians (extrinsic xyz Euler, multiplied from
the left: base frame) and closedness of the gripper. Same scene, same layout, same actions: the same numbers and the same
pictures, in every process on one machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from minijepa_robot.sim import gl
from minijepa_robot.sim.fr3 import FINGER, JOINTS
from minijepa_robot.sim.kinematics import Kinematics, about, angles, matrix, rotation_vector, vector
from minijepa_robot.sim.scene import LARGEST, SIDE, TIMESTEP, WORKSPACE, Camera, Scene, build, quaternion
from minijepa_robot.sim.things import REST

Place = Sequence[float | int] | np.ndarray  # x m, y m, yaw rad
Pose = Sequence[float | int] | np.ndarray | Tensor  # also an action: seven numbers

SUBSTEPS, TICKS, ARRIVE = 5, 12, 10  # of physics between two commands; commands in an action; after which the hand is there
LAG = 0.1  # s, by which the joints' servos follow (kv / kp): their command runs ahead by it
LARGEST_STEP = (0.15, 0.8)  # m on an axis and rad: more in 250 ms throws things about
# m, how far past the workspace the hand may go; nearer than x = 0.31 a few places have no posture that points straight down
BEYOND = np.array(((-0.02, -0.03, -0.008), (0.03, 0.03, 0.03)))
LIMITS = np.array(WORKSPACE) + BEYOND
SLACK = np.array((0.05, 0.05, 0.05, 0.3))  # m and closedness by which the command may be ahead of a hand that is held up
REST_POSE = (0.475, 0.0, 0.22, 0.0, 0.0, 0.0, 0.0)
CUBE_PLACE = (0.50, 0.08, 0.0)
SETTLE = 24  # steps of physics after a reset


@dataclass(frozen=True)
class State:
    """Hold all that the future depends on."""

    physics: Float64[np.ndarray, "k"]
    command: Float64[np.ndarray, "7"]
    joints: Float64[np.ndarray, "7"]  # rad, as commanded last


class Simulation:
    """Hold one world: physics, the commanded pose, and the ways to look at it.

    scene: what it looks like; cameras: by name, beside "wrist", which is always on the hand; size: px of a picture's sides.
    Physics works without OpenGL; only ``picture`` needs it.
    """

    def __init__(self, scene: Scene | None = None, cameras: Mapping[str, Camera] | None = None, size: int = 128) -> None:
        self._mujoco = gl.load()
        self.scene = scene or Scene()
        self.model = build(self.scene, {"side": SIDE} if cameras is None else cameras)
        self.data = self._mujoco.MjData(self.model)
        self.size = size
        self._kinematics = Kinematics(self.model)
        self._arm = np.array([self.model.joint(name).qposadr[0] for name in JOINTS])
        self._fingers = np.array([self.model.joint(f"finger_joint{i}").qposadr[0] for i in (1, 2)])
        self._tip = self.model.site("tip").id
        self._kind = int(self._mujoco.mjtState.mjSTATE_INTEGRATION)
        self._renderers: dict[int, "mujoco.Renderer"] = {}
        self.reset()

    @property
    def objects(self) -> tuple[str, ...]:
        """Name the things of this world that can be pushed and placed."""
        names = [self.model.joint(i).name for i in range(self.model.njnt)]
        return tuple(name for name in names if name in REST)

    def reset(self, hand: Pose | None = None, objects: Mapping[str, Place] | None = None) -> None:
        """Put the hand at a pose by inverse kinematics and things at (x m, y m, yaw rad), and let them come to rest.

        hand: (7,) or None for a place above the middle of the workspace. The rest stands where the scene has it.
        Raises ValueError for a thing that this scene has not, ``Unreachable`` for a pose that the arm cannot take.
        """
        places = {"cube": CUBE_PLACE} | {thing.kind: thing.place for thing in self.scene.things}
        for name in objects or {}:
            if name not in self.objects:
                raise ValueError(f"reset: expected things among {list(self.objects)}, got {name!r}")
        places |= {name: _checked(place) for name, place in (objects or {}).items()}
        pose = vector(REST_POSE if hand is None else hand, "hand")
        self._mujoco.mj_resetData(self.model, self.data)
        for name in self.objects:
            self._put(name, places[name])
        self._command = pose.copy()
        self._joints = self._kinematics.solve(pose[:3], matrix(pose[3:6]))
        self.data.qpos[self._arm] = self._joints
        self.data.qpos[self._fingers] = FINGER * (1 - np.clip(pose[6], 0, 1))
        self._send(self._joints)
        self._mujoco.mj_step(self.model, self.data, nstep=SETTLE)
        self._refresh()

    def act(self, action: Pose) -> None:
        """Do one action of 250 ms: the commanded pose changes by it, within the limits, and the arm follows.

        action: (7,) numbers. The hand stays within the workspace and up to 3 cm around it (``LIMITS``).
        Raises ValueError for another shape, NaN or infinity, and steps above 15 cm on an axis or 0.8 rad.
        """
        change = vector(action, "action")
        if np.abs(change[:3]).max() > LARGEST_STEP[0] or np.abs(change[3:6]).max() > LARGEST_STEP[1]:
            raise ValueError(
                f"action: expected at most {LARGEST_STEP[0]} m on an axis and {LARGEST_STEP[1]} rad in one step, got "
                f"{np.round(change, 3).tolist()}; take several steps"
            )
        pose, start = self.pose, self._command.copy()
        linear = [0, 1, 2, 6]
        start[linear] = np.clip(start[linear], pose[linear] - SLACK, pose[linear] + SLACK)
        place = np.clip(start[:3] + change[:3], *LIMITS)
        turned, goal = matrix(start[3:6]), matrix(change[3:6]) @ matrix(start[3:6])
        self._command = np.concatenate((place, angles(goal), np.clip(start[6:] + change[6:], 0, 1)))
        turn = rotation_vector(matrix(change[3:6]))
        for tick in range(1, TICKS + 1):
            share = min(1.0, tick / ARRIVE)
            self._tick(start[:3] + share * (place - start[:3]), about(share * turn) @ turned)
        self._refresh()

    @property
    def pose(self) -> Float64[np.ndarray, "7"]:
        """Return the measured pose of the hand: x y z (m), three angles (rad), closedness 0 open (80 mm) to 1 closed."""
        opening = self.data.qpos[self._fingers].mean() / FINGER
        turned = self.data.site_xmat[self._tip].reshape(3, 3)
        return np.concatenate((self.data.site_xpos[self._tip], angles(turned), (np.clip(1 - opening, 0, 1),)))

    @property
    def command(self) -> Float64[np.ndarray, "7"]:
        """Return the pose that the hand was told to take."""
        return self._command.copy()

    def place(self, name: str = "cube") -> Float64[np.ndarray, "3"]:
        """Return where a thing's middle is, in m."""
        return self.data.body(name).xpos.copy()

    def yaw(self, name: str = "cube") -> float:
        """Return how a thing is turned about the vertical, in rad."""
        return float(angles(self.data.body(name).xmat.reshape(3, 3).copy())[2])

    def picture(self, camera: str = "side", size: int | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """Return what a camera sees, ``size`` px high and wide.

        Raises ``gl.NoPictures`` where nothing can draw, ValueError for a camera that is not there.
        """
        gl.require_pictures()
        names = [self.model.camera(i).name for i in range(self.model.ncam)]
        if camera not in names:
            raise ValueError(f"picture: expected a camera among {names}, got {camera!r}")
        renderer = self._renderer(self.size if size is None else size)
        renderer.update_scene(self.data, camera=camera)
        return renderer.render()

    def aim(self, name: str, camera: Camera) -> None:
        """Move a camera; not the one on the wrist."""
        index = self.model.camera(name).id
        self.model.cam_pos[index], self.model.cam_quat[index] = camera.position, quaternion(camera)
        self.model.cam_fovy[index] = camera.fovy
        self._refresh()

    def state(self) -> State:
        """Return all that the future depends on, to be given to ``restore``; also of another simulation of the same scene."""
        physics = np.empty(self._mujoco.mj_stateSize(self.model, self._kind))
        self._mujoco.mj_getState(self.model, self.data, physics, self._kind)
        return State(physics, self._command.copy(), self._joints.copy())

    def restore(self, state: State) -> None:
        """Go back to a state: what follows is the same to the last bit."""
        expected = self._mujoco.mj_stateSize(self.model, self._kind)
        if len(state.physics) != expected:
            raise ValueError(f"restore: expected {expected} numbers, got {len(state.physics)}: the state of another scene")
        self._mujoco.mj_setState(self.model, self.data, state.physics, self._kind)
        self._command, self._joints = state.command.copy(), state.joints.copy()
        self._refresh()

    def close(self) -> None:
        """Give back what draws the pictures; the physics can still be used."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _tick(self, place: np.ndarray, rotation: np.ndarray) -> None:
        """Send the joints for a pose a little ahead of time, and let 20.8 ms pass."""
        joints = self._kinematics.step(self._joints, place, rotation)[0]
        speed = (joints - self._joints) / (SUBSTEPS * TIMESTEP)
        self._joints = joints
        self._send(joints + LAG * speed)
        self._mujoco.mj_step(self.model, self.data, nstep=SUBSTEPS)

    def _send(self, joints: np.ndarray) -> None:
        self.data.ctrl[:7] = joints
        self.data.ctrl[7] = 255 * (1 - np.clip(self._command[6], 0, 1))

    def _put(self, name: str, place: Place) -> None:
        x, y, yaw = place
        self.data.joint(name).qpos[:] = (x, y, REST[name], np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))

    def _refresh(self) -> None:
        """Bring what depends on the joints up to date without touching what the next step starts from."""
        self._mujoco.mj_kinematics(self.model, self.data)
        self._mujoco.mj_comPos(self.model, self.data)
        self._mujoco.mj_camlight(self.model, self.data)

    def _renderer(self, size: int) -> "mujoco.Renderer":
        if not 16 <= size <= LARGEST:
            raise ValueError(f"picture: expected a size of 16 to {LARGEST} px, got {size}")
        if size not in self._renderers:
            try:
                renderer = self._mujoco.Renderer(self.model, size, size, max_geom=200)
            except self._mujoco.FatalError as error:
                raise gl.NoPictures(f"{gl.TOO_LATE} ({error})") from error
            for flag in ("SHADOW", "REFLECTION", "HAZE", "FOG"):
                renderer.scene.flags[int(getattr(self._mujoco.mjtRndFlag, f"mjRND_{flag}"))] = 0
            self._renderers[size] = renderer
        return self._renderers[size]


def _checked(place: Place) -> tuple[float, ...]:
    if len(place) != 3 or not np.isfinite(place).all():
        raise ValueError(f"reset: expected x (m), y (m) and yaw (rad) of a thing, got {place}")
    return tuple(float(number) for number in place)
