"""Turn the side camera about the table, read its angle from the moves that the model believes in, and play with and without W*.

    python -m minijepa_robot.act.sweep --model data_samples/checkpoints/arm/joint.safetensors --seed 0 --name fixed

writes one row an angle into data_samples/runs/arm, after each angle. Goal pictures are taken by the turned camera too, so what
is tested is the model's idea of left and right, not whether two pictures fit together. A model whose predictor has a token for
the camera's place is told it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from minijepa.data.toy_physics import split_generator
from minijepa.intervals import share
from minijepa.train.run import write_table
from minijepa_robot.act.camera import Calibration, calibrate, inferred_moves, walk
from minijepa_robot.act.evaluate import open_world
from minijepa_robot.act.play import Played, Setting, planner, play
from minijepa_robot.learn.world import ArmWorld
from minijepa_robot.sim.scene import SIDE, Camera, Scene
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import Task, draw_tasks

Row = dict[str, float | int | str]


@dataclass(frozen=True)
class Sweep:
    """Choose a model, the angles, and how much is measured at each."""

    model: Path = Path("data_samples/checkpoints/arm/joint.safetensors")
    name: str = "fixed"  # of the model, in the file's name
    seed: int = 0  # of the walk's scene and moves, and of the planner
    turns: tuple[int, ...] = (-60, -40, -20, 0, 20, 40, 60)  # degrees from where the camera stood in training
    steps: int = 60  # of the walk
    episodes: int = 30  # reach tasks of the test split, each played without and with W*
    folder: Path = Path("data_samples/runs/arm")


def sweep(settings: Sweep) -> list[Row]:
    """Measure every angle and write the table, in the order of the angles, after each."""
    world, rows = open_world(settings.model), []
    for turn in settings.turns:
        rows.append(measure(world, turn, settings))
        rows.sort(key=lambda row: row["turn"])
        write_table(settings.folder / f"sweep_{settings.name}_s{settings.seed}.csv", rows)
    return rows


def measure(world: ArmWorld, turn: int, settings: Sweep) -> Row:
    """Calibrate at one angle, then play the same tasks without and with what came out."""
    camera = SIDE.orbit(turn)
    if world.predictor.config.extrinsics:
        world = replace(world, camera=torch.from_numpy(camera.extrinsics()).float())
    found = walked(world, camera, settings.steps, settings.seed)
    tasks = draw_tasks("reach", settings.episodes, "test", size=64, cameras={"side": camera})
    ways = {"before": Setting(side=camera), "after": Setting(side=camera, calibration=found.matrix)}
    played = {name: episodes(world, tasks, settings.seed, way) for name, way in ways.items()}
    return row(turn, settings.steps, found, played)


def walked(world: ArmWorld, camera: Camera, steps: int, seed: int) -> Calibration:
    """Let the hand walk before a camera, in a scene of the validation split, and solve W*."""
    generator = split_generator("validation", seed, 0)
    with Simulation(Scene.random(generator), {"side": camera}, size=64) as simulation:
        seen, true = walk(simulation, steps, generator)
    return calibrate(inferred_moves(world, seen, generator), true)


def episodes(world: ArmWorld, tasks: Sequence[Task], seed: int, setting: Setting) -> list[Played]:
    """Play reach tasks by the view from the side alone."""
    return [play(task, "plan", world, planner(), seed * 1_000 + k, setting) for k, task in enumerate(tasks)]


def row(turn: int, steps: int, found: Calibration, played: dict[str, list[Played]]) -> Row:
    """Return the line of one angle: degrees, centimetres, and shares of tasks done with their 95% intervals."""
    facts: Row = {
        "turn": turn,
        "steps": steps,
        "angle": round(found.angle, 1),
        "condition": round(found.condition, 2),
        "error_cm": round(100 * found.error, 2),
        "left_cm": round(100 * found.left, 2),
    }
    for name, some in played.items():
        done, count = sum(one.outcome.done for one in some), len(some)
        counted = {"episodes": count, "done": done} | share(done, count)
        facts |= {f"{part}_{name}": value for part, value in counted.items()}
    return facts | {f"w{i}{j}": round(float(found.matrix[i, j]), 3) for i in range(2) for j in range(2)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    sweep(tyro.cli(Sweep))
