"""Before renting GPUs: what a recipe needs of each, without building a network.

``python -m minijepa.train.scale`` prints a row for every released recipe on its released number of GPUs; ``--gpus 8
--shard`` asks for others. How each number is counted stands in ``train/cost.py``.

A sum of bytes is a lower bound: buffers of the libraries and gaps between tensors come on top, so a recipe is said to
fit if it leaves a tenth of the GPU free.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from minijepa.train.batches import Batches, ToyBatches
from minijepa.train.cost import BF16_GPU, FLOAT32, Seen, draw_seen, mean_seen, parameters, step_flops, step_saved
from minijepa.train.masks import Grid
from minijepa.train.mixture import Mixture
from minijepa.train.pretrain import PretrainConfig
from minijepa.train.processes import Processes
from minijepa.train.recipes import RECIPES, RecipeName
from minijepa.train.run import write_table

GB = 1e9  # bytes
GPU_SIZES = (80, 141)  # GB: A100 and H100; H200
FREE = 0.1  # share of a GPU that must stay free
RELEASED: tuple[RecipeName, ...] = tuple(name for name in RECIPES if "vit-" in name)


@dataclass(frozen=True)
class DryRun:
    """Say what one training step needs of each GPU: tokens, memory, operations. Nothing is trained."""

    recipes: tuple[RecipeName, ...] = RELEASED  # rows of the table
    gpus: int | None = None  # share the batch over so many; None: as many as the released run had
    shard: bool = False  # as with --run.shard: each GPU keeps a part of the networks
    draws: int = 200  # steps whose masks are drawn
    csv: Path | None = None  # write the table to this file too


def clip_shape(data: Batches) -> tuple[int, int]:
    """Return (frames, side in pixels) of the clips."""
    if isinstance(data, ToyBatches):
        return data.world.frames, data.world.size
    part = data.parts[0] if isinstance(data, Mixture) else data
    return part.frames, part.crop


def grid_of(config: PretrainConfig) -> Grid:
    """Return the patch grid (t, h, w) of a clip."""
    frames, side = clip_shape(config.data)
    return frames // config.encoder.tubelet, side // config.encoder.patch, side // config.encoder.patch


def state_bytes(config: PretrainConfig, gpus: int, shard: bool) -> int:
    """Count the bytes of weights, gradients, Adam's two moments and the teacher on one GPU.

    20 bytes a parameter (16 in the predictor, which has no teacher), all float32. Under autocast 2 more for copies in
    bfloat16; with several whole copies of the network 4 more for what DistributedDataParallel sends. A sharded run keeps
    1 / gpus of the 20, and two whole blocks with their gradients while they compute.
    """
    encoder, predictor = parameters(config.encoder, config.predictor)
    student = encoder + predictor
    kept, copies = 16 * student + 4 * encoder, 2 * student if config.optim.bf16 else 0
    if not shard:
        return kept + copies + (4 * student if gpus > 1 else 0)
    return kept // gpus + copies + 2 * 8 * (encoder // config.encoder.depth)


def activation_bytes(config: PretrainConfig, steps: list[list[Seen]], clips: int, recompute: bool) -> int:
    """Count the bytes that ``clips`` clips hold at the end of the forward pass of the largest of the drawn steps.

    What autograd keeps, the teacher's targets in float32, and the pixels, once as clips and once cut into tubelets.
    """
    kind = BF16_GPU if config.optim.bf16 else FLOAT32
    kept = max(step_saved(config.encoder, config.predictor, seen, kind, recompute) for seen in steps)
    (frames, side), (t, h, w) = clip_shape(config.data), grid_of(config)
    return clips * (kept + 4 * t * h * w * config.encoder.width + 2 * 4 * 3 * frames * side**2)


def dry_run(name: str, config: PretrainConfig, gpus: int | None, shard: bool, draws: int) -> dict[str, str | float | int]:
    """Return one row of the table: what a step of a recipe needs of each of its GPUs.

    gpus: None takes the released number, so that a GPU has the clips whose masks share their lengths.
    Raises ValueError if the GPUs cannot share the batch evenly.
    """
    gpus = gpus or config.batch // (config.mask_group or config.batch)
    rows = Processes(0, gpus).share(config.batch)
    clips, (t, h, w) = rows.stop - rows.start, grid_of(config)
    steps = draw_seen(config.masks, (t, h, w), clips, draws)
    mean, state = mean_seen(steps), state_bytes(config, gpus, shard)
    recompute = config.optim.recompute
    flops = clips * step_flops(config.encoder, config.predictor, t * h * w, mean, recompute)
    plain, again = (activation_bytes(config, steps, clips, flag) for flag in (False, True))
    return {
        "recipe": name,
        "gpus": gpus,
        "clips": clips,
        "million_weights": round(sum(parameters(config.encoder, config.predictor)) / 1e6, 1),
        "clip_tokens": clips * t * h * w,
        "context_tokens": round(clips * sum(seen.context for seen in mean)),
        "target_tokens": round(clips * sum(seen.targets for seen in mean)),
        "tflop": round(flops / 1e12, 1),
        "state_gb": round(state / GB, 1),
        "activations_gb": round(plain / GB, 1),
        "recomputed_gb": round(again / GB, 1),
        **{f"fits_{size}_gb": fits(state, plain, again, size) for size in GPU_SIZES},
    }


def fits(state: int, plain: int, again: int, size: int) -> str:
    """Say whether a step fits a GPU of ``size`` GB: "yes", "with recompute" or "no"."""
    room = (1 - FREE) * size * GB
    return "yes" if state + plain <= room else "with recompute" if state + again <= room else "no"


def as_text(rows: list[dict[str, str | float | int]]) -> str:
    """Align the rows of a table under their names."""
    lines = [[key.replace("_", " ") for key in rows[0]], *[[str(value) for value in row.values()] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main(ask: DryRun) -> None:
    """Print the table, and write it where that was asked for."""
    try:
        rows = [dry_run(name, RECIPES[name](), ask.gpus, ask.shard, ask.draws) for name in ask.recipes]
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    sys.stdout.write(as_text(rows) + "\n")
    if ask.csv:
        write_table(ask.csv, rows)


if __name__ == "__main__":
    main(tyro.cli(DryRun))
