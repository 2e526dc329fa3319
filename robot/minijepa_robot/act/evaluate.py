"""Count how often the arm does what the goal pictures show, in scenes that no training saw.

    python -m minijepa_robot.act.evaluate --model data_samples/checkpoints/arm/joint.safetensors --seed 0 --kinds reach lift

writes one row a kind and a way of acting into data_samples/runs/arm. Tasks are the same for all models, ways and seeds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from minijepa.intervals import share
from minijepa.train.run import write_table
from minijepa.train.world_model import load_world
from minijepa_robot.act.films import FILM_SIZE, keep
from minijepa_robot.act.play import DISPLACED, PLANNING, Arm, Played, Setting, planner, play
from minijepa_robot.learn.world import ArmWorld, frozen_world, joint_world, load_joint
from minijepa_robot.sim.tasks import Kind, draw_tasks

Row = dict[str, float | int | str]


@dataclass(frozen=True)
class Out:
    """Say where results go."""

    folder: Path = Path("data_samples/runs/arm")
    films: Path | None = None  # where every episode is kept as a film, with a table of how each ended


@dataclass(frozen=True)
class Evaluate:
    """Choose a model, tasks and ways of acting."""

    model: Path | None = None  # joint.safetensors, or a folder of a frozen world; ways without a planner need none
    seed: int = 0  # of the model's training, and of planner and policies
    kinds: tuple[Kind, ...] = ("reach", "lift", "pick and place")
    arms: tuple[Arm, ...] = ("plan",)
    displaced: bool = False  # of kind lift: the cube stands 2.5 to 5 cm from where the goal pictures show it
    episodes: int = 100
    budget: tuple[int, int] = (128, 4)  # samples and iterations of the planner
    out: tyro.conf.OmitArgPrefixes[Out] = Out()

    @property
    def name(self) -> str:
        """Name the model, in the table and its file: "joint", "frozen", or "baselines" for ways that need none."""
        return "baselines" if self.model is None else "frozen" if self.model.is_dir() else self.model.stem


def open_world(path: Path) -> ArmWorld:
    """Open a joint model (a file) or a frozen one (a folder)."""
    if path.is_dir():
        saved = load_world(path)
        return frozen_world(saved.encoder, saved.view, saved.predictor)
    return joint_world(load_joint(path))


def evaluate(settings: Evaluate) -> list[Row]:
    """Play every task in every way and write the table after each."""
    if settings.model is None and set(settings.arms) & set(PLANNING):
        raise ValueError(f"evaluate: expected a model for {settings.arms}, got none; give --model FILE")
    if settings.displaced and settings.kinds != ("lift",):
        raise ValueError(f"evaluate: expected --kinds lift with --displaced, got {settings.kinds}; only its stages are known")
    rows: list[Row] = []
    facts: Row = {"model": settings.name if settings.model else "none", "seed": settings.seed, "split": "test"}
    for row in measure(settings, open_world(settings.model) if settings.model else None):
        rows.append(facts | row)
        write_table(settings.out.folder / f"{settings.name}{'_displaced' * settings.displaced}_s{settings.seed}.csv", rows)
    return rows


def measure(settings: Evaluate, world: ArmWorld | None) -> Iterator[Row]:
    """Give one row a kind and a way of acting."""
    film = FILM_SIZE if settings.out.films else 0
    config, setting = planner(*settings.budget), Setting(DISPLACED if settings.displaced else (), film=film)
    for kind in settings.kinds:
        tasks = draw_tasks(kind, settings.episodes, "test", size=64, displaced=settings.displaced)
        for arm in settings.arms:
            played = [play(task, arm, world, config, settings.seed * 1_000 + k, setting) for k, task in enumerate(tasks)]
            if settings.out.films:
                keep(settings.out.films, f"{kind.replace(' ', '_')}_{arm.replace(' ', '_')}_s{settings.seed}", tasks, played)
            samples, iterations = settings.budget if arm in PLANNING else (0, 0)
            facts: Row = {"kind": kind, "displaced": int(settings.displaced), "arm": arm}
            yield facts | {"samples": samples, "iterations": iterations} | summary(played)


def summary(played: Sequence[Played]) -> Row:
    """Count outcomes: what is true when the last action is over decides."""
    done, count = sum(one.outcome.done for one in played), len(played)
    names = Counter(one.outcome.name for one in played)
    counted: Row = {"episodes": count, "done": done} | share(done, count)
    return counted | {
        "ever": round(sum(one.ever for one in played) / count, 3),
        "median_cm": round(100 * float(np.median([one.outcome.distance for one in played])), 2),
        "seconds_an_action": round(sum(one.seconds for one in played) / count, 4),
        "outcomes": "; ".join(f"{name} {number}" for name, number in names.most_common()),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    evaluate(tyro.cli(Evaluate))
