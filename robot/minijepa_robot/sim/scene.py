"""Build the world of the arm: an FR3 with a light look, a plain table, a cube, and things that stand around.

Lengths are metres in the robot's base frame: x forward, y left, z up; the top of the table is z = 0. There are no shadows
and no textures but the sky's: on a processor that draws by itself they cost ten times the picture.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np
import torch

from minijepa_robot.sim import gl
from minijepa_robot.sim.fr3 import PADS, light_arm
from minijepa_robot.sim.kinematics import angles
from minijepa_robot.sim.things import THINGS, Thing, Triple, add_cube, add_thing

WORKSPACE = ((0.32, -0.25, 0.02), (0.65, 0.25, 0.32))  # m, lowest and highest place of the fingertips
MIDDLE = (0.475, 0.0, 0.10)  # m, what cameras turn about
TIMESTEP = 1 / 240  # s of physics: 60 make one action of 250 ms
LARGEST = 1024  # px, of a picture's side
WRIST = "wrist"  # the name of the camera on the hand
FORWARD = np.diag((1.0, -1.0, -1.0))  # from mujoco's camera (z backwards) to x right, y down, z forwards, as DROID has it


@dataclass(frozen=True)
class Camera:
    """Say where a camera stands and what it looks at; up is up."""

    position: Triple  # m
    target: Triple = MIDDLE  # m
    fovy: float | int = 38.0  # degrees, of the picture's height

    def __post_init__(self) -> None:
        sideways = np.hypot(self.target[0] - self.position[0], self.target[1] - self.position[1])
        if not sideways > 1e-6 or not 1 <= self.fovy <= 150:
            raise ValueError(f"Camera: expected a target not straight above or below, and 1 to 150 degrees; got {self}")

    def orbit(self, degrees: float | int) -> Camera:
        """Return the camera turned about the middle of the workspace, counter-clockwise as seen from above."""
        c, s = cos(radians(degrees)), sin(radians(degrees))

        def turned(point: Triple) -> Triple:
            x, y = point[0] - MIDDLE[0], point[1] - MIDDLE[1]
            return MIDDLE[0] + c * x - s * y, MIDDLE[1] + s * x + c * y, point[2]

        return replace(self, position=turned(self.position), target=turned(self.target))

    def rotation(self) -> np.ndarray:
        """Return the matrix (3, 3) whose columns are right, up and backwards of the picture in the base frame."""
        back = np.subtract(self.position, self.target) / np.linalg.norm(np.subtract(self.position, self.target))
        right = np.cross((0.0, 0.0, 1.0), back) / np.linalg.norm(np.cross((0.0, 0.0, 1.0), back))
        return np.stack((right, np.cross(back, right), back), axis=1)

    def extrinsics(self) -> np.ndarray:
        """Return its pose as data sets have it: x, y, z (m) and extrinsic xyz Euler angles (rad) of right, down, forwards."""
        return np.array((*self.position, *angles(self.rotation() @ FORWARD)))


SIDE = Camera(position=(1.24, -0.96, 0.875), target=(0.46, -0.03, 0.17), fovy=33.0)


@dataclass(frozen=True)
class Scene:
    """Hold all that differs between worlds: colours, light, and what is on the table."""

    table: Triple = (0.62, 0.57, 0.50)
    backdrop: Triple = (0.45, 0.52, 0.60)
    cube: Triple | None = (0.85, 0.14, 0.12)  # None: no cube
    things: tuple[Thing, ...] = THINGS  # what stands around; what is not named is left out of the model
    light: Triple = (-0.4, 0.3, -1.0)  # direction in which it shines
    brightness: float | int = 0.55  # of that light; a lamp at the camera adds to it

    def __post_init__(self) -> None:
        kinds = [thing.kind for thing in self.things]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"Scene: expected each thing at most once, got {kinds}")

    @staticmethod
    def random(generator: torch.Generator) -> Scene:
        """Draw a scene of moderate variety: a plain table, a saturated cube, none to three things around the workspace."""

        def between(low: float | int, high: float | int) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        grey, warmth = between(0.4, 0.75), between(-0.08, 0.08)
        chosen = [thing for thing in THINGS if between(0, 1) < 0.6]
        return Scene(
            table=(grey + warmth, grey, grey - warmth),
            backdrop=(between(0.3, 0.7), between(0.3, 0.7), between(0.3, 0.7)),
            cube=saturated(between(0, 1)),
            things=tuple(thing.moved(saturated(between(0, 1)), generator) for thing in chosen),
            light=(between(-0.7, 0.7), between(-0.7, 0.7), -1.0),
            brightness=between(0.4, 0.65),
        )


def saturated(turn: float | int) -> Triple:
    """Return the strong colour at a place 0..1 on the colour wheel."""
    return colorsys.hsv_to_rgb(turn, 0.82, 0.88)


def build(scene: Scene, cameras: Mapping[str, Camera]) -> "mujoco.MjModel":
    """Compile a scene with its cameras, and the camera "wrist" on the hand, to a model of mujoco.

    Raises ValueError for a camera named "wrist", ImportError where mujoco or franky-sim is not installed.
    """
    if WRIST in cameras:
        raise ValueError(f"cameras: expected names other than {WRIST!r}, which is always on the hand; got {list(cameras)}")
    spec = light_arm()
    _set_physics(spec)
    _add_surroundings(spec, scene)
    if scene.cube is not None:
        add_cube(spec, scene.cube)
    for thing in scene.things:
        add_thing(spec, thing)
    for name, camera in cameras.items():
        spec.worldbody.add_camera(name=name, pos=camera.position, quat=quaternion(camera), fovy=camera.fovy)
    _add_wrist_camera(spec)
    return spec.compile()


def quaternion(camera: Camera) -> np.ndarray:
    """Return how a camera is turned, as mujoco's quaternion (w, x, y, z)."""
    answer = np.empty(4)
    gl.load().mju_mat2Quat(answer, camera.rotation().ravel())
    return answer


def _set_physics(spec: "mujoco.MjSpec") -> None:
    mujoco = gl.load()
    option = spec.option
    option.timestep = TIMESTEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0  # so that a held cube does not slide


def _add_surroundings(spec: "mujoco.MjSpec", scene: Scene) -> None:
    """Add table, sky and light; the lamp at the camera keeps the sides that face it from being black."""
    mujoco = gl.load()
    size = (0.62, 0.62, 0.02)
    table = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=size, pos=(0.36, 0, -size[2]), rgba=(*scene.table, 1))
    table.friction, table.condim, table.solref = PADS["friction"], PADS["condim"], PADS["solref"]
    dark = tuple(0.6 * part for part in scene.backdrop)
    sky, gradient = mujoco.mjtTexture.mjTEXTURE_SKYBOX, mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    spec.add_texture(name="sky", type=sky, builtin=gradient, rgb1=scene.backdrop, rgb2=dark, width=32, height=32)
    light = spec.worldbody.add_light(pos=(0.5, 0, 2), dir=scene.light, diffuse=(scene.brightness,) * 3, specular=(0, 0, 0))
    light.castshadow = False
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    visual = spec.visual
    visual.headlight.ambient, visual.headlight.diffuse, visual.headlight.specular = (0.3,) * 3, (0.3,) * 3, (0, 0, 0)
    visual.quality.offsamples, visual.quality.shadowsize = 0, 0
    visual.global_.offwidth = visual.global_.offheight = LARGEST


def _add_wrist_camera(spec: "mujoco.MjSpec") -> None:
    """Add the camera on the front of the hand; it looks along the fingers and sees their tips at the edges."""
    place, aim = np.array((0.095, 0.0, 0.01)), np.array((0.035, 0.0, 0.16))  # m in the hand's frame, whose z leaves the fingers
    back = (place - aim) / np.linalg.norm(place - aim)
    right = np.array((0.0, 1.0, 0.0))
    frame = np.stack((right, np.cross(back, right), back), axis=1)
    turn = np.empty(4)
    gl.load().mju_mat2Quat(turn, frame.ravel())
    spec.body("hand").add_camera(name=WRIST, pos=place, quat=turn, fovy=75.0)
