"""Shape what lies and stands on the table: the cube, and a cup, a tray and a box around the workspace.

Lengths are metres, z = 0 is the top of the table. The cube, the cup and the box can be pushed; the tray is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin

import torch

from minijepa_robot.sim import gl
from minijepa_robot.sim.fr3 import PADS

Triple = tuple[float | int, float | int, float | int]
EDGE = 0.044  # m, of the cube: the gripper holds it at a closedness of .45
REST = {"cube": EDGE / 2, "cup": 0.0, "box": 0.035, "tray": 0.0}  # m, height of a thing's own frame where it stands
_CUP_WALLS = 10


@dataclass(frozen=True)
class Thing:
    """Say which thing stands where, and its colour."""

    kind: str  # "cup", "tray" or "box"
    place: Triple  # x and y in m, yaw in rad
    colour: Triple

    def __post_init__(self) -> None:
        if self.kind not in ("cup", "tray", "box"):
            raise ValueError(f"Thing: expected cup, tray or box, got {self.kind!r}")

    def moved(self, colour: Triple, generator: torch.Generator) -> Thing:
        """Return the thing in another colour, up to 4 cm from its place on each axis and turned."""
        dx, dy, turn = (2 * torch.rand(3, generator=generator).double() - 1).tolist()
        x, y, _ = self.place
        return replace(self, place=(x + 0.04 * dx, y + 0.04 * dy, pi * turn), colour=colour)


# All of them stand outside the workspace, so that the hand can go anywhere in it.
THINGS = (
    Thing("cup", (0.52, 0.42, 0.0), (0.20, 0.42, 0.75)),
    Thing("tray", (0.46, -0.40, 0.0), (0.88, 0.84, 0.75)),
    Thing("box", (0.80, 0.14, 0.4), (0.93, 0.72, 0.20)),
)


def add_cube(spec: "mujoco.MjSpec", colour: Triple) -> None:
    """Add the cube, 44 mm and 70 g, as a free body "cube"."""
    body = _free_body(spec, "cube")
    _box(body, (EDGE / 2,) * 3, (0, 0, 0), colour, mass=0.07)


def add_thing(spec: "mujoco.MjSpec", thing: Thing) -> None:
    """Add a cup (9 cm high), a tray (22 x 16 cm) or a box (7 x 5 x 7 cm) under the name of its kind."""
    {"cup": _cup, "tray": _tray, "box": _carton}[thing.kind](spec, thing)


def _cup(spec: "mujoco.MjSpec", thing: Thing) -> None:
    """Add a base and thin upright boxes; they stand 1 mm up, so that only the base touches the table (8 contacts, not 56)."""
    body = _free_body(spec, "cup")
    radius, half = 0.035, 0.044
    _box(body, (radius * 0.68, radius * 0.68, 0.002), (0, 0, 0.002), thing.colour, mass=0.08)
    for index in range(_CUP_WALLS):
        angle = 2 * pi * index / _CUP_WALLS
        place = (radius * cos(angle), radius * sin(angle), half + 0.001)
        wall = _box(body, (0.0025, radius * 0.34, half), place, thing.colour, mass=0.008)
        wall.quat = (cos(angle / 2), 0, 0, sin(angle / 2))


def _tray(spec: "mujoco.MjSpec", thing: Thing) -> None:
    """Add a thin plate with a rim of 1.5 cm that does not move."""
    body = spec.worldbody.add_body(name="tray", pos=(*thing.place[:2], 0), quat=_turn(thing.place[2]))
    x, y = 0.11, 0.08
    _box(body, (x, y, 0.002), (0, 0, 0.002), thing.colour, mass=0.1)
    rim = tuple(0.8 * part for part in thing.colour)
    for sign in (-1, 1):
        _box(body, (x, 0.004, 0.0075), (0, sign * y, 0.0075), rim, mass=0.02)
        _box(body, (0.004, y, 0.0075), (sign * x, 0, 0.0075), rim, mass=0.02)


def _carton(spec: "mujoco.MjSpec", thing: Thing) -> None:
    body = _free_body(spec, "box")
    _box(body, (0.035, 0.025, REST["box"]), (0, 0, 0), thing.colour, mass=0.15)


def _free_body(spec: "mujoco.MjSpec", name: str) -> "mujoco.MjsBody":
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    return body


def _box(body: "mujoco.MjsBody", half: tuple, place: tuple, colour: Triple, mass: float) -> "mujoco.MjsGeom":
    mujoco = gl.load()
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=half, pos=place, rgba=(*colour, 1.0), mass=mass)
    geom.friction, geom.condim, geom.solref = PADS["friction"], PADS["condim"], PADS["solref"]
    return geom


def _turn(yaw: float) -> tuple[float, float, float, float]:
    """Return the quaternion of a turn about the vertical."""
    return cos(yaw / 2), 0.0, 0.0, sin(yaw / 2)
