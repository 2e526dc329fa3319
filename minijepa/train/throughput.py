"""Can the CPUs feed the GPUs? Measure the loader, and set it beside what a recipe would eat.

``python -m minijepa.train.throughput`` decodes and cuts training clips as a recipe does, and prints two tables: clips a
second of this machine, and clips a second that a GPU would take. The second is a calculation: operations a clip from
``train/cost.py``, the peak that NVIDIA states, and an assumed share of it that training reaches.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from minijepa.data.video import write_clip
from minijepa.train.batches import Batches, FileBatches, Steps, loader
from minijepa.train.recipes import RECIPES, RecipeName
from minijepa.train.run import write_table
from minijepa.train.scale import as_text, dry_run

PEAK_TFLOPS = 989.0  # dense bfloat16 of one H100 SXM, as NVIDIA states it
UTILISATION = 0.4  # assumed: the share of the peak that training reaches; not measured here
CLIPS = 4  # in a measured batch
Row = dict[str, str | float | int]


@dataclass(frozen=True)
class Throughput:
    """Measure how many training clips a second this machine can prepare, and compare with what GPUs need."""

    videos: tuple[Path, ...] = ()  # measure these folders too, beside a film that is made on the spot
    recipe: RecipeName = "vit-l"  # whose clips: frames, rate, crop
    gpus: int = 8  # to feed
    workers: tuple[int, ...] = (0, 1, 2)  # processes that prepare clips
    batches: int = 8  # of 4 clips, in each measurement
    csv: Path | None = None  # write the first table to this file too


def film(seconds: int, side: int, seed: int = 0) -> UInt8[Tensor, "c f H W"]:
    """Draw a camera that pans over a rough surface: (3, 30 a second, side, side · 4 / 3), work for a decoder."""
    width, generator = side * 4 // 3 // 2 * 2, torch.Generator().manual_seed(seed)
    scales = [torch.rand(1, 3, 2 * side // s, 2 * width // s, generator=generator) for s in (2, 8, 32)]
    surface = sum(interpolate(noise, (2 * side, 2 * width), mode="bilinear") for noise in scales)[0] / len(scales)
    pixels = (255 * surface).to(torch.uint8)
    starts = [(frame * side // (30 * seconds), frame * width // (30 * seconds)) for frame in range(30 * seconds)]
    return torch.stack([pixels[:, y : y + side, x : x + width] for y, x in starts], dim=1)


@contextmanager
def made_film(seconds: int = 10, side: int = 256) -> Iterator[Path]:
    """Give the folder of a film that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        write_clip(Path(folder) / "film.mp4", film(seconds, side), fps=30)
        yield Path(folder)


def measure(source: Batches, batches: int, workers: int) -> tuple[float, float]:
    """Prepare so many batches of 4 clips; return the seconds by the clock and of processors, workers included.

    Worker processes are started within the measured time, as they are at the beginning of a run.
    """
    steps = Steps(source, 0, batches, 0, CLIPS, slice(0, CLIPS))
    before, start = processor_seconds(), time.perf_counter()
    for _ in loader(steps, workers):
        pass
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measured_rows(name: str, clip: FileBatches, ask: Throughput) -> list[Row]:
    """Measure one source of clips with every number of workers, after a batch that warms the file cache."""
    clip.clips(0, 0, 1, slice(0, 1))
    rows = []
    for workers in ask.workers:
        seconds, processor = measure(clip, ask.batches, workers)
        clips = ask.batches * CLIPS
        row = {"source": name, "frames": clip.frames, "pixels": clip.crop, "workers": workers, "clips": clips}
        row |= {"clips_a_second": round(clips / seconds, 2), "clips_a_cpu_second": round(clips / processor, 2)}
        rows.append(row)
    return rows


def needed(name: RecipeName, clips_a_cpu_second: float, gpus: int) -> Row:
    """Calculate the clips a second that GPUs would take at the assumed utilisation, and the CPU cores to make them."""
    row = dry_run(name, RECIPES[name](), None, False, draws=50)
    one = PEAK_TFLOPS * UTILISATION / (row["tflop"] / row["clips"])  # clips a second of one GPU
    return {
        "recipe": name,
        "tflop_a_clip": round(row["tflop"] / row["clips"], 2),
        "clips_a_second_a_gpu": round(one, 1),
        f"clips_a_second_{gpus}_gpus": round(one * gpus, 1),
        "cores_a_gpu": round(one / clips_a_cpu_second, 1),
    }


def main(ask: Throughput) -> None:
    """Print both tables, and write the first where that was asked for."""
    clip = RECIPES[ask.recipe]().data
    if not isinstance(clip, FileBatches):
        raise SystemExit(f"error: --recipe {ask.recipe}: expected a recipe that reads video files, such as vit-l")
    with made_film() as folder:
        rows = measured_rows("made film", replace(clip, paths=folder), ask)
    rows += [row for path in ask.videos for row in measured_rows(path.name, replace(clip, paths=path), ask)]
    sys.stdout.write(as_text(rows) + "\n\n")
    best = max(row["clips_a_cpu_second"] for row in rows if row["source"] == "made film")
    sys.stdout.write(as_text([needed(ask.recipe, best, ask.gpus)]) + "\n")
    if ask.csv:
        write_table(ask.csv, rows)


if __name__ == "__main__":
    main(tyro.cli(Throughput))
