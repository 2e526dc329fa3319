"""The command ``python -m minijepa_robot.data.collect``: let the simulated arm play, in parallel, and keep it as LeRobot 3.0.

    python -m minijepa_robot.data.collect --out runs/arm --episodes 900 --seed 0 --workers 2 --size 64

A run that was stopped goes on where it was when the same command is given again. The same seed gives the same episodes with
any number of workers. Train and test on different seeds.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import pyarrow.parquet as pq
import torch
import tyro
from tqdm import tqdm

from minijepa_robot.data.episodes import Episode, EpisodeError
from minijepa_robot.data.lerobot_meta import write_json
from minijepa_robot.data.lerobot_write import Place, begin, finish, shards, write_shard
from minijepa_robot.data.record import Recipe, record
from minijepa_robot.sim import gl


@dataclass(frozen=True)
class Collect:
    """Record episodes of the simulated arm."""

    out: Path  # folder of the data set
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = Recipe()
    episodes: int = 900
    seed: int = 0
    workers: int = 2  # processes; 0 records in this one
    shard: int = 50  # episodes in a file; what a kill loses at most, for each worker
    quality: int = 0  # 0: lossless; else the constant rate factor of videos that browsers play, e.g. 18
    quiet: bool = False  # no progress bar

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.shard < 1 or self.workers < 0:
            raise ValueError(f"Collect: expected at least 1 episode and 1 a shard, and no negative workers, got {self}")


def collect(settings: Collect) -> Path:
    """Record what is missing and return the folder.

    Raises EpisodeError if the folder holds episodes of another recipe, seed or shard; gl.NoPictures if nothing can draw.
    """
    gl.require_pictures()  # here, so that the workers need not look
    layout = settings.recipe.layout(settings.quality, settings.shard)
    _same_recipe(settings)
    begin(settings.out, layout)
    missing = missing_shards(settings)
    bar = tqdm(total=settings.episodes, unit="episode", disable=settings.quiet)
    bar.update(settings.episodes - sum(count(settings, number) for number in missing))
    try:
        for number in _written(settings, missing):
            bar.update(count(settings, number))
    finally:  # also after an error: what is whole counts
        bar.close()
        finish(settings.out, layout)
    return settings.out


def count(settings: Collect, number: int) -> int:
    """Count the episodes of a shard; the last one may be short."""
    return min(settings.shard, settings.episodes - number * settings.shard)


def missing_shards(settings: Collect) -> list[int]:
    """List the shards that are not there, or not whole: a last one that was short before."""
    there = shards(settings.out)
    numbers = range(-(-settings.episodes // settings.shard))
    return [n for n in numbers if n not in there or pq.read_metadata(there[n]).num_rows < count(settings, n)]


def write_one(settings: Collect, number: int) -> int:
    """Record and write one shard; return its number."""
    first = number * settings.shard
    layout = settings.recipe.layout(settings.quality, settings.shard)
    write_shard(settings.out, layout, Place(number, first, first * (settings.recipe.steps + 1)), _episodes(settings, number))
    return number


def _episodes(settings: Collect, number: int) -> Iterator[Episode]:
    first = number * settings.shard
    for episode in range(first, first + count(settings, number)):
        yield record(settings.recipe, settings.seed, episode)


def _written(settings: Collect, missing: Sequence[int]) -> Iterator[int]:
    """Write shards in this process or in workers, and give the number of each when it is there."""
    if settings.workers == 0:
        yield from (write_one(settings, number) for number in missing)
        return
    # spawned, not forked: a forked copy of OpenGL hangs
    with ProcessPoolExecutor(settings.workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        jobs = [pool.submit(write_one, settings, number) for number in missing]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:  # after an error, shards that nobody has begun are not begun
            for job in jobs:
                job.cancel()


def _same_recipe(settings: Collect) -> None:
    """Write meta/collect.json, or compare with the one that is there."""
    path = settings.out / "meta" / "collect.json"
    facts = asdict(settings.recipe) | {"seed": settings.seed, "shard": settings.shard, "quality": settings.quality}
    there = json.loads(path.read_text()) if path.is_file() else facts
    if there != facts:
        other = {key: value for key, value in there.items() if facts.get(key) != value}
        wrong = f"holds episodes that were recorded with {other}, asked for was { ({key: facts.get(key) for key in other}) }"
        raise EpisodeError.about(settings.out, wrong, "give the same options, or another folder")
    write_json(path, facts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a wrong argument ends it with one line instead of a traceback."""
    try:
        out = collect(tyro.cli(Collect, args=arguments, prog="minijepa_robot.data.collect", description=__doc__))
    except (ValueError, gl.NoPictures) as error:
        raise SystemExit(f"error: {error}") from error
    sys.stdout.write(f"{out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
