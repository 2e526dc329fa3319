"""Where is the hand after this action, and which action leads from here to there?

A pose is x, y, z in metres in the robot's base frame, three angles in radians (extrinsic xyz Euler: turn about the fixed x,
then y, then z axis) and how closed the gripper is, 0 to 1. An action is a change of each. Implements ``compute_new_pose``
and ``poses_to_diff`` of facebookresearch/vjepa2 ``notebooks/utils`` for whole batches.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def advance(pose: Float[Tensor, "*#b pose"], action: Float[Tensor, "*#b action"]) -> Float[Tensor, "*b pose"]:
    """Return the pose after an action: R_next = R(action) R(pose), positions add, the gripper stays within 0 to 1.

    pose, action: (…, 7) with shapes that broadcast. Returns the dtype of ``pose``; angles within -pi to pi.
    Raises ValueError unless both are 7 wide.

    Differs: the official code calls scipy once a sample; this is the same float64 arithmetic on the batch.
    """
    _require(pose, action)
    p, a = pose.double(), action.double()
    turned = euler_angles(rotation(a[..., 3:6]) @ rotation(p[..., 3:6]))
    place, closed = p[..., :3] + a[..., :3], (p[..., 6:] + a[..., 6:]).clamp(0, 1)
    return torch.cat((place, turned, closed), dim=-1).to(pose.dtype)


def difference(start: Float[Tensor, "*#b pose"], end: Float[Tensor, "*#b other"]) -> Float[Tensor, "*b pose"]:
    """Return the action that leads from one pose to another: R(action) = R(end) R(start)^T, the rest subtracts.

    start, end: (…, 7) with shapes that broadcast. A turn past pi is the short way round, as rotations do not count turns.
    Raises ValueError unless both are 7 wide.
    """
    _require(start, end)
    s, e = start.double(), end.double()
    turn, change = euler_angles(rotation(e[..., 3:6]) @ rotation(s[..., 3:6]).mT), e - s
    return torch.cat((change[..., :3], turn, change[..., 6:]), dim=-1).to(start.dtype)


def rotation(angles: Float64[Tensor, "*b 3"]) -> Float64[Tensor, "*b 3 3"]:
    """Return the matrix R = Rz Ry Rx of extrinsic xyz Euler angles in radians."""
    (ca, cb, cc), (sa, sb, sc) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    top = cb * cc, sa * sb * cc - ca * sc, ca * sb * cc + sa * sc
    middle = cb * sc, sa * sb * sc + ca * cc, ca * sb * sc - sa * cc
    return torch.stack((*top, *middle, -sb, sa * cb, ca * cb), dim=-1).unflatten(-1, (3, 3))


def euler_angles(matrix: Float64[Tensor, "*b 3 3"]) -> Float64[Tensor, "*b 3"]:
    """Return extrinsic xyz Euler angles; where the second is +-pi/2 only a sum of the others counts, and the third is 0."""
    level = torch.hypot(matrix[..., 0, 0], matrix[..., 1, 0])  # cosine of the second angle
    locked = level < 1e-7  # as in scipy
    alone = torch.atan2(-matrix[..., 1, 2], matrix[..., 1, 1])
    first = torch.where(locked, alone, torch.atan2(matrix[..., 2, 1], matrix[..., 2, 2]))
    third = torch.where(locked, 0.0, torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0]))
    return torch.stack((first, torch.atan2(-matrix[..., 2, 0], level), third), dim=-1)


def _require(*poses: Tensor) -> None:
    if any(pose.shape[-1:] != (7,) for pose in poses):
        shapes = [tuple(pose.shape) for pose in poses]
        raise ValueError(f"expected poses and actions (…, 7): x y z, three angles, gripper; got {shapes}")
