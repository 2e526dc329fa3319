"""Let the simulated arm play one episode and write down everything: pictures, poses, commands, things, cameras.

An episode is a function of (recipe, seed, number) and of nothing else, so it can be made anywhere, in any order.
"""

import json
from dataclasses import asdict, astuple, dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np
import torch

from minijepa.data.video_files import seeded
from minijepa_robot.data.episodes import Episode, EpisodeError, Truth
from minijepa_robot.data.lerobot_layout import Layout
from minijepa_robot.sim.behave import draw_layout, play
from minijepa_robot.sim.kinematics import Unreachable, angles
from minijepa_robot.sim.scene import FORWARD, SIDE, WRIST, Camera, Scene
from minijepa_robot.sim.simulation import Simulation

FPS = 4  # actions a second
THINGS = ("cube", "cup", "box")  # that can be pushed; a tray is fixed and stands in the scene's description
TASKS = ("wander", "take the cube and set it down elsewhere")
LIFTED = 0.06  # m, height of the cube's middle above which it has been lifted; it rests at 0.022
ATTEMPTS = 20  # starts that are drawn before an episode is given up


@dataclass(frozen=True)
class Recipe:
    """Say what is recorded; two data sets of the same recipe and seed are the same."""

    size: int = 64  # px, side of a picture
    steps: int = 24  # actions in an episode; it has one more row
    cameras: Literal["fixed", "orbit", "moving"] = "fixed"  # as the default, drawn for each episode, or moving in each
    views: int = 1  # third-person cameras: side, side_2, …
    spread: float | int = 60.0  # degrees to either side of the default that a drawn camera may stand
    scenes: Literal["random", "plain"] = "random"  # colours, light and what stands around

    def __post_init__(self) -> None:
        if self.steps < 1 or self.views < 1 or not 0 <= self.spread <= 180:
            raise ValueError(f"Recipe: expected at least 1 step and 1 view, and a spread of 0 to 180 degrees, got {self}")

    @property
    def names(self) -> tuple[str, ...]:
        """Name the cameras, that on the hand last."""
        return ("side", *(f"side_{k}" for k in range(2, self.views + 1)), WRIST)

    def layout(self, quality: int = 0, shard: int = 50) -> Layout:
        """Describe the data set that such episodes make."""
        truths = tuple(f"{thing}.{axis}" for thing in THINGS for axis in ("x", "y", "z", "yaw"))
        sizes = {name: (self.size, self.size) for name in self.names}
        return Layout(sizes, TASKS, FPS, truths, quality, file_mb=float("inf"), file_episodes=shard)


@dataclass(frozen=True)
class Stand:
    """Say where a third-person camera stands, seen from its usual place."""

    turn: float | int = 0.0  # degrees about the middle of the workspace
    rise: float | int = 0.0  # m
    far: float | int = 1.0  # times the usual distance

    def camera(self) -> Camera:
        """Return the camera there; it looks at what it usually looks at."""
        camera = SIDE.orbit(self.turn)
        x, y, z = (t + self.far * (p - t) for p, t in zip(camera.position, camera.target))
        return replace(camera, position=(x, y, z + self.rise))

    def towards(self, other: "Stand", share: float) -> "Stand":
        """Return the stand at a share, 0 to 1, of the way to another, around the workspace."""
        ours, theirs = (np.array(astuple(stand)) for stand in (self, other))
        return Stand(*(ours + share * (theirs - ours)).tolist())


def record(recipe: Recipe, seed: int, number: int) -> Episode:
    """Make one episode.

    success: the cube was lifted at some moment. Raises EpisodeError if no start could be reached.
    """
    generator = seeded(seed, number)
    scene = Scene.random(generator) if recipe.scenes == "random" else Scene()
    ways = {name: draw_way(recipe, generator) for name in recipe.names[:-1]}
    with Simulation(scene, {name: start.camera() for name, (start, _) in ways.items()}, recipe.size) as simulation:
        _start(simulation, generator, f"seed {seed} episode {number}")
        rows, phases = [_see(simulation, recipe)], []
        moves = play(simulation, generator)
        for step in range(recipe.steps):
            move = next(moves)
            simulation.act(move.action)
            if recipe.cameras == "moving":
                for name, (start, end) in ways.items():
                    simulation.aim(name, start.towards(end, (step + 1) / recipe.steps).camera())
            rows[-1]["command"] = move.action
            rows.append(_see(simulation, recipe))
            phases.append(move.phase)
    return _episode(rows, phases, scene, recipe, {"seed": seed, "number": number})


def draw_way(recipe: Recipe, generator: torch.Generator) -> tuple[Stand, Stand]:
    """Draw where a third-person camera stands at the start and at the end of an episode."""
    if recipe.cameras == "fixed":
        return Stand(), Stand()
    start = draw_stand(recipe.spread, generator)
    return start, draw_stand(recipe.spread, generator) if recipe.cameras == "moving" else start


def draw_stand(spread: float | int, generator: torch.Generator) -> Stand:
    """Draw a place around the workspace: turned, up to 15 cm higher or lower, up to 15% nearer or further."""
    turn, rise, far = (2 * torch.rand(3, generator=generator, dtype=torch.float64) - 1).tolist()
    return Stand(spread * turn, 0.15 * rise, 1 + 0.15 * far)


def _start(simulation: Simulation, generator: torch.Generator, source: str) -> None:
    for _ in range(ATTEMPTS):
        layout = draw_layout(generator)
        try:
            return simulation.reset(layout.hand, layout.objects)
        except Unreachable:
            continue
    raise EpisodeError.about(source, f"{ATTEMPTS} starts could not be reached", "look at behave.draw_layout")


def _see(simulation: Simulation, recipe: Recipe) -> dict:
    """Write down one moment."""
    cameras = {name: simulation.data.camera(name) for name in recipe.names}
    return {
        "state": simulation.pose,
        "command": np.zeros(7),
        "pictures": {name: simulation.picture(name) for name in recipe.names},
        "places": np.concatenate([_place(simulation, name) for name in THINGS]),
        "cameras": {n: np.array((*c.xpos, *angles(c.xmat.reshape(3, 3) @ FORWARD))) for n, c in cameras.items()},
    }


def _place(simulation: Simulation, name: str) -> np.ndarray:
    """Return x, y, z (m) and yaw (rad) of a thing, NaN where this scene has it not."""
    if name not in simulation.objects:
        return np.full(4, np.nan)
    return np.array((*simulation.place(name), simulation.yaw(name)))


def _episode(rows: list[dict], phases: list[str], scene: Scene, recipe: Recipe, key: dict[str, int]) -> Episode:
    places = np.stack([row["places"] for row in rows])
    runs = [[phase, len(list(group))] for phase, group in groupby(phases)]
    about = key | {"scene": asdict(scene), "phases": runs}
    return Episode(
        timestamps=np.arange(len(rows)) / FPS,
        states=np.stack([row["state"] for row in rows]),
        videos={name: np.stack([row["pictures"][name] for row in rows]) for name in recipe.names},
        success=bool((places[:, 2] > LIFTED).any()),
        task=TASKS[int(phases[0] != "wander")],
        extrinsics={name: np.stack([row["cameras"][name] for row in rows]) for name in recipe.names},
        commands=np.stack([row["command"] for row in rows]),
        truth=Truth(recipe.layout().truths, places, json.dumps(about)),
    )
