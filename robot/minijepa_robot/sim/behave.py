"""Drive the simulated arm by script or at random: the demonstrations and the play that a world model learns from.

A behaviour is an iterator of ``Move``: ask for one, do its action, ask for the next; it looks at the simulation when it is
asked. No action is longer than 7.5 cm on an axis, and the hand points down, so angles do not change unless it is said.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from minijepa_robot.sim.scene import WORKSPACE
from minijepa_robot.sim.simulation import LIMITS, SLACK, Simulation
from minijepa_robot.sim.things import EDGE

LONGEST = 0.075  # m on an axis, of one action
GRASP, CARRY = EDGE / 2, 0.14  # m, height of the fingertips when they close on the cube, and when they carry it
NEAR = 0.008  # m at which a way-point counts as reached
PATIENCE = 9  # actions after which a way-point is left, reached or not
CUBES = ((0.36, -0.20), (0.62, 0.20))  # m, where the cube may lie: the fingers reach all around it
YAW = 0.3  # rad, that the cube is turned at most
# Of episodes, of way-points, of way-points and starts, of starts, of carried cubes.
SHARES = {"wander": 0.45, "near": 0.30, "border": 0.20, "above": 0.25, "detour": 0.5}
TOGGLE = 0.12  # chance of an action that the gripper opens or closes while it wanders


class Move(NamedTuple):
    """Name an action and what it is part of."""

    action: Float64[np.ndarray, "7"]
    phase: str


class Layout(NamedTuple):
    """Say where hand and cube are at the start, as ``Simulation.reset`` takes them."""

    hand: Float64[np.ndarray, "7"]
    objects: dict[str, tuple[float, float, float]]


def pick_and_place(
    simulation: Simulation, target: Float64[np.ndarray, "2"], generator: torch.Generator, noise: float | int = 0.0
) -> Iterator[Move]:
    """Take the cube and set it down at x and y of ``target`` (m).

    noise: standard deviation in m of what is added to every action's x, y and z, and half of it to the place that is aimed at.
    Phases, in order: above, at, closed, lifted, over, down, placed, up.
    """
    yield from pick(simulation, generator, noise)
    yield from put(simulation, target, generator, noise)


def pick(simulation: Simulation, generator: torch.Generator, noise: float | int = 0.0) -> Iterator[Move]:
    """Take the cube from where it lies and lift it; phases above, at, closed, lifted."""
    x, y = simulation.place("cube")[:2] + 0.5 * noise * _normal(2, generator)
    yield from go(simulation, (x, y, CARRY), 0.0, "above", generator, noise)
    yield from go(simulation, (x, y, GRASP), 0.0, "at", generator, noise)
    yield from hold(simulation, 1.0, "closed", 2)
    yield from go(simulation, (x, y, CARRY), 1.0, "lifted", generator, noise)


def put(
    simulation: Simulation, target: Float64[np.ndarray, "2"], generator: torch.Generator, noise: float | int = 0.0
) -> Iterator[Move]:
    """Set the held cube down at x and y of ``target`` (m); phases over, down, placed, up."""
    aim = target + (simulation.pose[:3] - simulation.place("cube"))[:2]  # the cube need not be in the middle of the hand
    yield from go(simulation, (*aim, CARRY), 1.0, "over", generator, noise)
    yield from go(simulation, (*aim, GRASP + 0.002), 1.0, "down", generator, noise)
    yield from hold(simulation, 0.0, "placed", 2)
    yield from go(simulation, (*aim, CARRY), 0.0, "up", generator, noise)


def go(
    simulation: Simulation,
    place: tuple[float, float, float] | Float64[np.ndarray, "3"],
    closed: float | int,
    phase: str,
    generator: torch.Generator,
    noise: float | int = 0.0,
) -> Iterator[Move]:
    """Move the fingertips to a place (m) with the gripper at a closedness, until they are there or patience ends."""
    for _ in range(PATIENCE):
        action = towards(simulation, np.array(place), closed)
        action[:3] = np.clip(action[:3] + noise * _normal(3, generator), -LONGEST, LONGEST)
        yield Move(action, phase)
        if np.linalg.norm(simulation.pose[:3] - place) < NEAR + noise:
            return


def hold(simulation: Simulation, closed: float | int, phase: str, actions: int) -> Iterator[Move]:
    """Open or close the gripper where the hand is."""
    for _ in range(actions):
        yield Move(towards(simulation, simulation.command[:3], closed), phase)


def towards(simulation: Simulation, place: Float64[np.ndarray, "3"], closed: float | int) -> Float64[np.ndarray, "7"]:
    """Return the action, within 7.5 cm on each axis, that leads from the commanded pose to a place (m) and a closedness."""
    command, action = simulation.command, np.zeros(7)
    action[:3] = np.clip(place - command[:3], -LONGEST, LONGEST)
    change = closed - command[6]
    action[6] = change if abs(change) > SLACK[3] else 0.0  # a hand that holds something keeps a command ahead of what it reads
    return action


def wander(simulation: Simulation, generator: torch.Generator, turn: float | int = 0.0) -> Iterator[Move]:
    """Go smoothly from one random way-point to the next, for ever.

    A share of them lies near the cube, a share on the border of the workspace and up to 3 cm beyond it.
    turn: rad, the largest angle about the vertical that a way-point asks for.
    """
    last, closed = np.zeros(3), float(simulation.command[6] > 0.5)
    while True:
        place, pace = _way_point(simulation, generator), 0.02 + 0.055 * _chance(generator)
        yaw = turn * (2 * _chance(generator) - 1)
        for _ in range(PATIENCE):
            closed = 1 - closed if _chance(generator) < TOGGLE else closed
            action = towards(simulation, place, closed)
            wanted = action[:3] * min(1.0, pace / max(np.abs(action[:3]).max(), 1e-9))
            last = 0.4 * last + 0.6 * wanted
            action[:3] = np.clip(last + 0.006 * _normal(3, generator), -LONGEST, LONGEST)
            action[5] = np.clip(yaw - simulation.command[5], -0.15, 0.15)
            yield Move(action, "wander")
            if np.linalg.norm(simulation.pose[:3] - place) < 0.03:
                break


def play(simulation: Simulation, generator: torch.Generator) -> Iterator[Move]:
    """Wander, or take the cube somewhere, half the time by a detour, and then wander: what episodes are collected with.

    The script has noise of 0 to 1 cm, drawn once.
    """
    if "cube" in simulation.objects and _chance(generator) >= SHARES["wander"]:
        noise = 0.01 * _chance(generator)
        yield from pick(simulation, generator, noise)
        if _chance(generator) < SHARES["detour"]:
            yield from go(simulation, anywhere(generator, SHARES["border"]), 1.0, "carried", generator, noise)
        yield from put(simulation, between(*CUBES, generator), generator, noise)
    yield from wander(simulation, generator)


def draw_layout(generator: torch.Generator) -> Layout:
    """Draw a start: the cube anywhere on the inner table; the hand above it, or anywhere, a share of that at the border."""
    x, y = between(*CUBES, generator)
    cube = (float(x), float(y), YAW * (2 * _chance(generator) - 1))
    if _chance(generator) < SHARES["above"]:
        place = np.array((x, y, 0.0)) + between((-0.02, -0.02, 0.06), (0.02, 0.02, 0.18), generator)
    else:
        place = anywhere(generator, SHARES["border"])
        place = clear_of(place, np.array((x, y)))
    return Layout(np.array((*place, 0.0, 0.0, 0.0, 0.0)), {"cube": cube})


def anywhere(generator: torch.Generator, border: float | int = 0.0) -> Float64[np.ndarray, "3"]:
    """Draw a place (m) in the workspace; with a chance of ``border`` on one of its faces or up to 3 cm beyond it."""
    place, low, high = between(*WORKSPACE, generator), np.array(WORKSPACE[0]), np.array(WORKSPACE[1])
    if _chance(generator) < border:
        axis, side, share = int(3 * _chance(generator)), int(2 * _chance(generator)), _chance(generator)
        face = (low, high)[side][axis]
        place[axis] = face + share * (LIMITS[side][axis] - face)
    return place


def between(low: tuple, high: tuple, generator: torch.Generator) -> Float64[np.ndarray, "k"]:
    """Draw evenly from the box between two corners."""
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    return low + (high - low) * torch.rand(len(low), generator=generator, dtype=torch.float64).numpy()


def _way_point(simulation: Simulation, generator: torch.Generator) -> Float64[np.ndarray, "3"]:
    if "cube" in simulation.objects and _chance(generator) < SHARES["near"]:
        place = simulation.place("cube") + between((-0.05, -0.05, 0.0), (0.05, 0.05, 0.1), generator)
        return np.clip(place, *LIMITS)
    return anywhere(generator, SHARES["border"])


def clear_of(place: Float64[np.ndarray, "3"], cube: Float64[np.ndarray, "2"]) -> Float64[np.ndarray, "3"]:
    """Raise a hand that would start with its fingers in the cube."""
    beside = np.abs(place[:2] - cube).max() > 0.09
    return place if beside else np.array((*place[:2], max(place[2], 0.07)))


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def _normal(count: int, generator: torch.Generator) -> Float64[np.ndarray, "k"]:
    return torch.randn(count, generator=generator, dtype=torch.float64).numpy()
