"""Latents against pixels, with one planner: how often each world model reaches the goal, and what an action costs.

``python -m minijepa.study.rival --seed 0 --latent data_samples/checkpoints/reach`` trains the pixel models of a seed if
they are not there, and writes data_samples/runs/rival/tables_s0.csv. Each of the four tables is fair in one way: as many
samples, as many calls of a network, as many seconds, as many floating-point operations an action.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode

from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import ReachWorld, Tasks, sample_tasks
from minijepa.plan.cem import CEM, PlanConfig
from minijepa.plan.world import WorldModel
from minijepa.study.pixel_world import FlowWorld
from minijepa.study.reach_play import planner, play, summary
from minijepa.study.track import Row
from minijepa.study.train_pixels import pixel_world
from minijepa.train.run import write_table
from minijepa.train.world_model import load_world

Arm = Literal["jepa", "regression", "flow"]
Table = Literal["samples", "calls", "seconds", "flops"]
SAMPLES = 48  # of an iteration where samples are equal; those of the planner of the plane
ACTIONS = 12  # that an episode has
FEWEST = 4  # samples that an iteration needs
# seconds an action, samples, iterations: arXiv 2506.09985, reaching, one RTX 4090
PUBLISHED = {"V-JEPA 2-AC": (16.0, 800, 10), "Cosmos": (240.0, 80, 10)}
PROBES = (16, 48)  # samples at which an action is priced; between and beyond, prices are a straight line


@dataclass(frozen=True)
class Rival:
    """Choose the models of a seed and the worlds they act in."""

    seed: int = 0  # of the models and of the planner
    latent: Path = Path("data_samples/checkpoints/reach")  # what ``study.reach`` saved
    work: Path = Path("runs/rival")  # weights of the pixel models
    episodes: int = 100  # of planning; those of ``study.reach``
    split: Literal["validation", "test"] = "test"
    distance: Literal["l1", "l2"] = "l2"  # energy of the pixel models; the latent one has that of the planner
    arms: tuple[Arm, ...] = ("jepa", "regression", "flow")  # regression is always needed: it sets the budgets
    folder: Path = Path("data_samples/runs/rival")  # the table is written there


def tasks(split: Literal["validation", "test"], episodes: int) -> Tasks:
    """Return the start-goal pairs of a split, up to the whole box apart."""
    return sample_tasks(ReachWorld(), episodes, ACTIONS, split_generator(split, 0))


class Price(NamedTuple):
    """Hold what an action costs at each number of ``PROBES``."""

    seconds: tuple[float, ...]  # of CPU, looking included
    flops: tuple[float, ...]


def with_samples(samples: int, distance: Literal["l1", "l2"] = "l2") -> PlanConfig:
    """Return the planner of the plane with another number of samples; one in eight is an elite, and two at least."""
    return replace(planner(), method=CEM(samples, 3, max(2, samples // 8)), distance=distance)


def price(models: Mapping[Arm, WorldModel], given: Tasks, rounds: int = 5, seed: int = 0) -> dict[Arm, Price]:
    """Measure what an action costs; the arms take turns, so that a busy machine is busy for all of them."""
    seconds = {(arm, samples): 0.0 for arm in models for samples in PROBES}
    for turn in range(rounds + 1):
        for arm, samples in seconds:
            one = play(with_samples(samples), ReachWorld(), first(given, turn), models[arm], seed, moments=3)
            seconds[arm, samples] += one.seconds / rounds if turn else 0.0  # the first turn warms up
    operations = {key: flops(models[key[0]], key[1], given, seed) for key in seconds}
    return {arm: Price(*(tuple(cost[arm, n] for n in PROBES) for cost in (seconds, operations))) for arm in models}


def flops(model: WorldModel, samples: int, given: Tasks, seed: int = 0) -> float:
    """Count the floating-point operations of one action: those of two actions minus those of one."""
    counted = []
    for moments in (1, 2):
        with FlopCounterMode(display=False) as counter:
            play(with_samples(samples), ReachWorld(), first(given, 0), model, seed, moments)
        counted.append(counter.get_total_flops())
    return float(counted[1] - counted[0])


def first(given: Tasks, k: int) -> Tasks:
    """Pick one task."""
    some = slice(k, k + 1)
    return Tasks(given.scene.rows(some), given.start[some], given.goal[some], given.goal_image[some])


def affordable(costs: tuple[float, ...], budget: float) -> int:
    """Return the samples of an iteration that a budget buys, ``FEWEST`` at least."""
    (low, high), (less, more) = PROBES, costs
    return max(FEWEST, int(low + (high - low) * (budget - less) / max(more - less, 1e-12)))


def shares(prices: Mapping[Arm, Price], calls: Mapping[Arm, int]) -> dict[Table, dict[Arm, int]]:
    """Return the samples that each arm has in each table.

    calls: of the network, for one imagined step. Seconds and operations are those that ``regression`` needs for SAMPLES.
    """
    budget = prices["regression"]
    return {
        "samples": dict.fromkeys(prices, SAMPLES),
        "calls": {arm: max(FEWEST, SAMPLES // calls[arm]) for arm in prices},
        "seconds": {arm: affordable(cost.seconds, budget.seconds[1]) for arm, cost in prices.items()},
        "flops": {arm: affordable(cost.flops, budget.flops[1]) for arm, cost in prices.items()},
    }


def price_ratio(ours: tuple[float, int, int], theirs: tuple[float, int, int]) -> tuple[float, float]:
    """Return how many times dearer theirs is: an action as it was measured, and one imagined sample.

    ours, theirs: seconds an action, samples an iteration, iterations.
    """
    (less, few, once), (more, many, often) = ours, theirs
    return more / less, (more / (many * often)) / (less / (few * once))


def measure(settings: Rival, models: Mapping[Arm, WorldModel], given: Tasks) -> Iterator[Row]:
    """Give one row for each table and arm; what was played once is not played again."""
    prices = price(models, given, seed=settings.seed)
    calls = {arm: model.steps if isinstance(model, FlowWorld) else 1 for arm, model in models.items()}
    played: dict[tuple[Arm, int], Row] = {}
    for table, share in shares(prices, calls).items():
        for arm, samples in share.items():
            if (arm, samples) not in played:
                config = with_samples(samples, "l2" if arm == "jepa" else settings.distance)
                result = play(config, ReachWorld(), given, models[arm], settings.seed)
                played[arm, samples] = summary(result, ReachWorld().radius)
            work: Row = {"samples": samples, "calls": 3 * samples * calls[arm]}
            cost = prices[arm]
            work |= {"priced_seconds": round(line(cost.seconds, samples), 5)}
            work |= {"gflops": round(line(cost.flops, samples) / 1e9, 4)}
            yield {"table": table, "arm": arm} | work | played[arm, samples]


def line(costs: tuple[float, ...], samples: int) -> float:
    """Return the cost at a number of samples, on the straight line through those measured."""
    (low, high), (less, more) = PROBES, costs
    return less + (more - less) * (samples - low) / (high - low)


def rival(settings: Rival) -> list[Row]:
    """Train what is missing, act, and write the table after each row."""
    models: dict[Arm, WorldModel] = {}
    for arm in settings.arms:
        models[arm] = load_world(settings.latent) if arm == "jepa" else pixel_world(arm, settings.seed, settings.work)
    rows: list[Row] = []
    for row in measure(settings, models, tasks(settings.split, settings.episodes)):
        rows.append({"seed": settings.seed, "split": settings.split} | row)
        write_table(settings.folder / f"tables_s{settings.seed}.csv", rows)
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)  # so that a run gives the same numbers anywhere, and seconds compare
    rival(tyro.cli(Rival))
