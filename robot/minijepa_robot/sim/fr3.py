"""Read the FR3 from the wheel of franky-sim and cut it, in memory, to what is fast to simulate and to draw.

Kept are its ten light meshes (2.8 thousand faces in place of 242 thousand), painted; nothing of it is copied into this
repository. What was mended, and why, stands beside each line; all of it was measured.
"""

import importlib.util
from pathlib import Path

from minijepa_robot.sim import gl

TIP = 0.1034  # m from the hand's frame to the middle of the fingertips, as libfranka has it
FINGER = 0.04  # m that each finger opens
JOINTS = tuple(f"fr3_joint{i}" for i in range(1, 8))
PADS = {"friction": (1.5, 0.02, 0.0005), "condim": 4, "solref": (0.01, 1.0)}  # of all that grips or is gripped
_WHITE, _GREY, _BLACK = (0.93, 0.94, 0.95, 1.0), (0.72, 0.74, 0.77, 1.0), (0.13, 0.13, 0.15, 1.0)
_PAINT = {"link3_coll": _GREY, "link5_coll": _GREY, "link7_coll": _BLACK, "hand_coll": _GREY, "finger_0": _BLACK}


def arm_file() -> Path:
    """Return the path of fr3.xml in the installed franky-sim, which is not imported: that would load pinocchio.

    Raises ImportError where franky-sim is not installed.
    """
    found = importlib.util.find_spec("franky_sim")
    if found is None or found.origin is None:
        raise ImportError("the shape of the arm comes with franky-sim: pip install 'minijepa[robot]'")
    return Path(found.origin).parent / "assets" / "fr3.xml"


def light_arm() -> "mujoco.MjSpec":
    """Return the arm as a specification that can be added to: light, painted, with sound fingers, without gravity on it.

    It has a site "tip" between the fingertips, whose axes are the base's when the gripper points straight down.
    """
    mujoco = gl.load()
    file = arm_file()
    spec = mujoco.MjSpec.from_file(str(file))
    spec.meshdir = str(file.parent / "meshes")  # the file says "assets", which is where it lies itself
    for key in list(spec.keys):
        spec.delete(key)  # its length would be wrong once free bodies are there
    _strip(spec)
    _mend_gripper(spec)
    for joint in spec.joints:
        joint.actfrclimited = False  # at 12 Nm the stiff wrist servos would chatter, half a degree off
    for body in spec.bodies:
        body.gravcomp = 1.0  # the controller of the real arm does this
    spec.body("hand").add_site(name="tip", pos=(0, 0, TIP), quat=(0, 1, 0, 0))
    return spec


def _strip(spec: "mujoco.MjSpec") -> None:
    """Delete the geometry that is only for show, paint the rest, and give the fingertips their friction."""
    for geom in list(spec.geoms):
        if not geom.contype:
            spec.delete(geom)
            continue
        geom.group = 0
        geom.rgba = _PAINT.get(geom.meshname, _WHITE if geom.meshname else _BLACK)
        if geom.parent.name.endswith("finger"):
            geom.friction, geom.condim, geom.solref = PADS["friction"], PADS["condim"], PADS["solref"]
    used = {geom.meshname for geom in spec.geoms}
    for mesh in [mesh for mesh in spec.meshes if mesh.name not in used]:
        spec.delete(mesh)
    for material in list(spec.materials):
        spec.delete(material)


def _mend_gripper(spec: "mujoco.MjSpec") -> None:
    """Free the fingers of the arm's joint friction and give the gripper 8 times its force: it hardly opened before."""
    for joint in spec.joints:
        if joint.name.startswith("finger"):
            joint.frictionloss, joint.armature = 0.0, 0.05
            joint.damping[0] = 1.0
    hand = spec.actuator("hand")
    hand.gainprm[0] *= 8
    hand.biasprm[1] *= 8
    hand.biasprm[2] *= 8
