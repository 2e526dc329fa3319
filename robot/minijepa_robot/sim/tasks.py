"""Set tasks for the arm: where it starts, pictures of where it should get to, and what counts as done.

A task shows its goals as pictures of the same scene: one at the end and, where the paper has them, sub-goals on the way with
the number of actions that the script took for each. In the variant ``displaced`` the cube stands 2.5 to 5 cm from where the
pictures show it, so that following the pictured hand does not do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from math import ceil
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from minijepa.data.toy_physics import split_generator
from minijepa_robot.sim.behave import CUBES, LONGEST, YAW, Layout, Move, anywhere, between, clear_of, go, pick, pick_and_place
from minijepa_robot.sim.kinematics import Unreachable
from minijepa_robot.sim.scene import SIDE, Camera, Scene
from minijepa_robot.sim.simulation import Simulation

Kind = Literal["reach", "grasp", "lift", "reach with object", "pick and place"]
FAR = 0.10  # m, at least, from the start of a hand or a cube to its goal
DISPLACED = (0.025, 0.05)  # m, how far the cube stands from where the pictures show it
CLOSE = 0.04  # m that count as there
UP, DOWN = 0.05, 0.03  # m, height of the cube's middle that counts as lifted, and as on the table
HELD = (0.35, 0.55)  # closedness of a gripper that holds the cube
TRIES = 50  # worlds drawn for one task, of which the first that the script can do is kept


class Goal(NamedTuple):
    """Show one goal: its pictures, and the truth behind them."""

    name: str  # of the script's phase that ends here
    pictures: dict[str, UInt8[np.ndarray, "H W 3"]]  # by camera, "side" and "wrist"
    pose: Float64[np.ndarray, "7"]  # of the hand
    cube: Float64[np.ndarray, "3"]  # m
    steps: int  # actions that the script took from the goal before


class Outcome(NamedTuple):
    """Name how an episode ended."""

    done: bool
    name: str
    distance: float  # m, of what the task asks for: hand to goal, cube to goal, or cube to hand


@dataclass(frozen=True)
class Task:
    """Hold one task."""

    kind: Kind
    scene: Scene
    layout: Layout  # hand and cube at the start
    goals: tuple[Goal, ...]  # the last one is the goal; those before it are sub-goals
    shown: tuple[float, float, float]  # place of the cube at the start of the demonstration: x, y (m), yaw

    @property
    def goal(self) -> Goal:
        """Return the goal at the end."""
        return self.goals[-1]


def draw_tasks(
    kind: str,
    count: int,
    split: str = "test",
    seed: int = 0,
    *,
    size: int = 128,
    cameras: Mapping[str, Camera] | None = None,
    displaced: bool = False,
) -> list[Task]:
    """Draw tasks, each in a scene of its own; no two of (split, seed 0..255, index) share a random number.

    kind: one of ``Kind``. split: "train", "validation" or "test". cameras: those of the goal pictures beside "wrist", by
    default "side".
    Raises ValueError for an unknown kind or split, or a count below 1.
    """
    if kind not in get_args(Kind) or count < 1:
        raise ValueError(f"draw_tasks: expected a kind of {get_args(Kind)} and count >= 1, got {kind!r} and {count}")
    cameras = {"side": SIDE} if cameras is None else cameras
    return [draw_task(kind, split_generator(split, seed, k), size, cameras, displaced) for k in range(count)]


def draw_task(
    kind: Kind, generator: torch.Generator, size: int, cameras: Mapping[str, Camera], displaced: bool = False
) -> Task:
    """Draw one task and let the script show its goals; what the script cannot do is drawn again."""
    for _ in range(TRIES):
        scene, layout = Scene.random(generator), draw_start(kind, generator)
        with Simulation(scene, cameras, size) as simulation:
            try:
                begin(simulation, kind, layout)
                goals = _goals(simulation, kind, layout, generator)
            except Unreachable:
                continue
            task = Task(kind, scene, layout, tuple(goals), layout.objects["cube"])
            if not success(simulation, task).done:
                continue
        return _displace(task, generator) if displaced else task
    raise RuntimeError(f"draw_task: the script failed at {TRIES} tasks of {kind!r}; look at behave.pick_and_place")


def draw_start(kind: Kind, generator: torch.Generator) -> Layout:
    """Draw hand and cube anywhere in the workspace, the fingers clear of the cube."""
    x, y, yaw = between((*CUBES[0], -YAW), (*CUBES[1], YAW), generator).tolist()
    hand = clear_of(anywhere(generator), np.array((x, y)))
    return Layout(np.array((*hand, 0.0, 0.0, 0.0, 0.0)), {"cube": (x, y, yaw)})


def begin(simulation: Simulation, kind: Kind, layout: Layout) -> None:
    """Bring a simulation to the start of a task; a cube that is to be held already is picked up and carried by the script."""
    simulation.reset(*layout)
    if kind == "reach with object":
        idle = torch.Generator().manual_seed(0)  # nothing is drawn from it without noise
        place = np.array((*layout.hand[:2], max(layout.hand[2], 0.08)))
        for moves in (pick(simulation, idle), go(simulation, place, 1.0, "carried", idle)):
            _do(simulation, moves)


def start(simulation: Simulation, task: Task) -> None:
    """Bring a simulation of the task's scene to its start."""
    begin(simulation, task.kind, task.layout)


def success(simulation: Simulation, task: Task) -> Outcome:
    """Judge how things stand now.

    reach: fingertips within 4 cm of the goal. grasp: the cube between closed fingers. lift: the cube's middle above 5 cm.
    reach with object: fingertips within 4 cm of the goal, the cube held. pick and place: the cube within 4 cm of its place
    in the goal picture, on the table, the gripper open.
    """
    pose, cube = simulation.pose, simulation.place("cube")
    to_goal = float(np.linalg.norm(pose[:3] - task.goal.pose[:3]))
    to_cube = float(np.linalg.norm(pose[:3] - cube))
    closed, height = float(pose[6]), float(cube[2])
    held = HELD[0] < closed < HELD[1] and to_cube < 0.03
    if task.kind == "reach":
        return _outcome([(to_goal < CLOSE, "short of the goal")], "reached", to_goal)
    if task.kind == "grasp":
        return _outcome([(held, "not held")], "held", to_cube)
    if task.kind == "lift":
        return _outcome([(height > UP, "held, not lifted" if held else "not held")], "lifted", to_cube)
    if task.kind == "reach with object":
        return _outcome([(held, "dropped"), (to_goal < CLOSE, "short of the goal")], "reached", to_goal)
    missed = float(np.linalg.norm(cube[:2] - task.goal.cube[:2]))
    tests = [(closed < HELD[0], "gripper not open"), (height < DOWN, "not on the table"), (missed < CLOSE, "elsewhere")]
    return _outcome(tests, "placed", missed)


def _outcome(tests: list[tuple[bool, str]], done: str, distance: float) -> Outcome:
    """Return the first complaint, or that all is done."""
    wrong = next((complaint for passed, complaint in tests if not passed), None)
    return Outcome(wrong is None, wrong or done, distance)


def _goals(simulation: Simulation, kind: Kind, layout: Layout, generator: torch.Generator) -> list[Goal]:
    """Bring the simulation to the goal of a task that has begun, and see the goals on the way."""
    hand, cube = simulation.pose, simulation.place("cube")
    if kind == "reach":  # the hand is put there, so that it cannot push the cube on its way
        place = _elsewhere(hand, cube, False, generator)
        simulation.reset((*place, 0, 0, 0, 0), layout.objects)
        return [_see(simulation, "reached", ceil(np.abs(place - hand[:3]).max() / LONGEST))]
    if kind == "reach with object":
        place = _elsewhere(hand, cube, True, generator)
        return _demonstrate(simulation, go(simulation, place, 1.0, "reached", generator))
    if kind == "pick and place":
        moves = pick_and_place(simulation, _far_from(cube[:2], generator), generator)
        return _demonstrate(simulation, takewhile(lambda move: move.phase != "up", moves))
    moves = pick(simulation, generator)
    return _demonstrate(simulation, moves if kind == "lift" else takewhile(lambda move: move.phase != "lifted", moves))


def _demonstrate(simulation: Simulation, moves: Iterable[Move]) -> list[Goal]:
    """Do a script and see what each of its phases ends with."""
    goals, phase, steps = [], "", 0
    for move in moves:
        if phase not in ("", move.phase):
            goals.append(_see(simulation, phase, steps))
            steps = 0
        simulation.act(move.action)
        phase, steps = move.phase, steps + 1
    return [*goals, _see(simulation, phase, steps)]


def _see(simulation: Simulation, name: str, steps: int) -> Goal:
    cameras = [simulation.model.camera(i).name for i in range(simulation.model.ncam)]
    pictures = {camera: simulation.picture(camera) for camera in cameras}
    return Goal(name, pictures, simulation.pose, simulation.place("cube"), steps)


def _elsewhere(
    hand: Float64[np.ndarray, "7"], cube: Float64[np.ndarray, "3"], holding: bool, generator: torch.Generator
) -> Float64[np.ndarray, "3"]:
    """Draw a place for the hand, at least 10 cm away; high enough for a cube that it holds, or clear of one that lies there."""
    while True:
        place = anywhere(generator)
        place = np.maximum(place, (0, 0, 0.05)) if holding else clear_of(place, cube[:2])
        if np.linalg.norm(place - hand[:3]) >= FAR:
            return place


def _far_from(cube: Float64[np.ndarray, "2"], generator: torch.Generator) -> Float64[np.ndarray, "2"]:
    while True:
        target = between(*CUBES, generator)
        if np.linalg.norm(target - cube) >= FAR:
            return target


def _displace(task: Task, generator: torch.Generator) -> Task:
    """Move the cube of the start 2.5 to 5 cm, evenly in that ring, within where cubes may lie."""
    x, y, yaw = task.layout.objects["cube"]
    while True:
        shift = between((-DISPLACED[1],) * 2, (DISPLACED[1],) * 2, generator)
        place = shift + (x, y)
        inside = (place >= CUBES[0]).all() and (place <= CUBES[1]).all()
        if inside and DISPLACED[0] <= np.linalg.norm(shift) <= DISPLACED[1]:
            break
    hand = task.layout.hand.copy()
    hand[:3] = clear_of(hand[:3], place)
    layout = Layout(hand, {"cube": (float(place[0]), float(place[1]), yaw)})
    return Task(task.kind, task.scene, layout, task.goals, task.shown)


def _do(simulation: Simulation, moves: Iterable[Move]) -> None:
    for move in moves:
        simulation.act(move.action)
