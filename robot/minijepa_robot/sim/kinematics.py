"""Turn poses of the hand into joint angles and back: damped least squares on the arm's own model.

A pose is x, y, z in metres of the point between the fingertips, three angles in radians (extrinsic xyz Euler, base frame)
and the gripper's closedness. The angles are those of the tool's frame, which is the base's frame when the gripper points
straight down with its fingers to the left and right: so a hand at rest reads (0, 0, 0) and not half a turn, where angles
jump. The flange of a real arm is turned by diag(1, -1, -1) against it, which is the same in every action.
"""

import numpy as np
import torch
from jaxtyping import Float64

from minijepa.plan import pose as poses
from minijepa_robot.sim import gl
from minijepa_robot.sim.fr3 import JOINTS

HOME = np.array((0.0, -0.55, 0.0, -2.35, 0.0, 1.80, 0.785398163))  # rad, fingers over the middle of the workspace
DAMPING = 0.02  # of the least squares: larger is slower and calmer near singular postures
PULL = 0.2  # share of the way towards HOME that an iteration takes where the hand does not notice; see ``Kinematics``
CLOSE = (5e-4, 2e-3, 1e-3)  # m, rad of the hand and rad of any joint that count as there


class Unreachable(ValueError):
    """Say that no posture of the arm brings the hand to a pose."""


class Kinematics:
    """Solve for the seven joints, on a copy of the state that physics does not see.

    Seven joints leave a pose one freedom, the elbow. It is pulled to where it is nearest to HOME, so strongly that the posture
    belongs to the pose, however the hand came there. With a tenth of this pull an encoder that had learnt to read the hand's
    place from the upper arm too was off by 2 cm (16 goals) where the elbow still hung back, and plans drifted away from goals.

    model: of mujoco, with the joints of ``fr3.JOINTS`` and the site "tip".
    """

    def __init__(self, model: "mujoco.MjModel") -> None:
        self._mujoco = gl.load()
        self._model, self._data = model, self._mujoco.MjData(model)
        self._site = model.site("tip").id
        self._address = np.array([model.joint(name).qposadr[0] for name in JOINTS])
        self._column = np.array([model.joint(name).dofadr[0] for name in JOINTS])
        ranges = np.array([model.joint(name).range for name in JOINTS])
        self._low, self._high = ranges[:, 0] + 0.02, ranges[:, 1] - 0.02
        self._jacobian = np.zeros((6, model.nv))

    def forward(self, joints: Float64[np.ndarray, "7"]) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3 3"]]:
        """Return place (m) and rotation of the fingertips for joint angles in rad."""
        self._data.qpos[self._address] = joints
        self._mujoco.mj_kinematics(self._model, self._data)
        return self._data.site_xpos[self._site].copy(), self._data.site_xmat[self._site].reshape(3, 3).copy()

    def step(
        self,
        joints: Float64[np.ndarray, "7"],
        place: Float64[np.ndarray, "3"],
        rotation: Float64[np.ndarray, "3 3"],
        pull: float = PULL,
    ) -> tuple[Float64[np.ndarray, "7"], float, float]:
        """Do one iteration towards a pose: joints + J^T (J J^T + damping^2)^-1 error, and a pull to HOME in the null space.

        The damping lets a little of the pull through: at the corners of the workspace the hand rests about 1 mm off its pose.

        Returns the new joints, and how far the old ones were off: m and rad.
        """
        here, turned = self.forward(joints)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self._column]
        error = np.concatenate((place - here, rotation_vector(rotation @ turned.T)))
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + DAMPING**2 * np.eye(6))
        rest = pull * (HOME - joints)
        change = inverse @ error + rest - inverse @ (jacobian @ rest)
        far = float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))
        return np.clip(joints + change, self._low, self._high), *far

    def solve(
        self, place: Float64[np.ndarray, "3"], rotation: Float64[np.ndarray, "3 3"], iterations: int = 200
    ) -> Float64[np.ndarray, "7"]:
        """Return joint angles (rad) that bring the fingertips to a pose, starting from HOME.

        Raises ``Unreachable`` if they do not come within 0.5 mm and 2 mrad.
        """
        joints = HOME
        joints = joints + np.array((np.arctan2(place[1], place[0]), 0, 0, 0, 0, 0, 0))
        for _ in range(iterations):
            before = joints
            joints, metres, angle = self.step(joints, place, rotation)
            if np.abs(joints - before).max() < CLOSE[2]:
                break
        for _ in range(iterations):  # the posture stands; what is left is the hand's
            if metres < CLOSE[0] and angle < CLOSE[1]:
                return joints
            joints, metres, angle = self.step(joints, place, rotation, pull=0.0)
        raise Unreachable(
            f"no posture brings the fingertips to {np.round(place, 3)} m with this rotation: {metres * 1000:.1f} mm and "
            f"{angle:.3f} rad are left after {iterations} iterations; keep to the workspace, and angles near 0 point down"
        )


def rotation_vector(rotation: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """Return axis times angle (rad) of a rotation."""
    quaternion, vector = np.empty(4), np.empty(3)
    mujoco = gl.load()
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector


def matrix(angles: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation of extrinsic xyz Euler angles in rad; see ``minijepa.plan.pose``."""
    return poses.rotation(torch.from_numpy(np.array(angles))).numpy()


def angles(rotation: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """Return the extrinsic xyz Euler angles (rad) of a rotation."""
    return poses.euler_angles(torch.from_numpy(np.array(rotation))).numpy()


def about(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation about an axis by its length in rad."""
    mujoco, quaternion, answer = gl.load(), np.empty(4), np.empty(9)
    length = float(np.linalg.norm(vector))
    mujoco.mju_axisAngle2Quat(quaternion, vector / length if length > 0 else np.array((0.0, 0.0, 1.0)), length)
    mujoco.mju_quat2Mat(answer, quaternion)
    return answer.reshape(3, 3)


def vector(numbers: object, name: str) -> Float64[np.ndarray, "7"]:
    """Return seven finite numbers as float64, or raise ValueError."""
    answer = np.asarray(numbers, dtype=np.float64)
    if answer.shape != (7,) or not np.isfinite(answer).all():
        raise ValueError(f"{name}: expected 7 finite numbers (x y z m, three angles rad, gripper), got {answer.tolist()}")
    return answer
