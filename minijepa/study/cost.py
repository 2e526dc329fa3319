"""What every size costs: parameters, memory, and the CPU seconds that one clip takes on this machine.

    python -m minijepa.study.cost

writes one row a size and precision. Random weights compute at the speed of trained ones, so nothing is downloaded.
"""

import gc
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.train.run import write_table

SIZES = ("tiny", "small", "vit_b", "vit_l", "vit_h", "vit_g")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Cost:
    """Say which sizes are measured, on which clip."""

    sizes: tuple[str, ...] = SIZES  # presets of EncoderConfig
    frames: int = 8  # of the clip
    crop: int = 256  # pixels, side of the clip
    repeats: int = 3  # forward passes that are counted, after one of 2 frames that is not; the median is kept
    threads: int = 1  # of torch
    path: Path = Path("data_samples/runs/cost/encoders.csv")


def seconds_a_clip(model: VideoEncoder, video: torch.Tensor, repeats: int) -> float:
    """Return the median CPU seconds of a forward pass, after a short one that is not counted."""
    taken = []
    with torch.inference_mode():
        model(video[:, :, : model.config.tubelet])
        for _ in range(repeats):
            start = time.process_time()
            model(video)
            taken.append(time.process_time() - start)
    return statistics.median(taken)


def measure(settings: Cost, size: str, generator: torch.Generator) -> list[Row]:
    """Build one encoder and time it in both precisions."""
    config: EncoderConfig = getattr(EncoderConfig, size)()
    model = VideoEncoder(config, generator).eval()
    video = torch.randn(1, 3, settings.frames, settings.crop, settings.crop, generator=generator)
    parameters = sum(p.numel() for p in model.parameters())
    tokens = settings.frames // config.tubelet * (settings.crop // config.patch) ** 2
    rows: list[Row] = []
    for name, dtype in PRECISIONS.items():
        model = model.to(dtype)
        found = {"seconds": round(seconds_a_clip(model, video.to(dtype), settings.repeats), 4)}
        facts = {"size": size, "precision": name, "parameters": parameters, "weights_mb": parameters * dtype.itemsize // 10**6}
        clip = {"frames": settings.frames, "crop": settings.crop, "tokens": tokens}
        rows.append(facts | clip | found | {"repeats": settings.repeats, "threads": settings.threads})
    return rows


def cost(settings: Cost) -> list[Row]:
    """Measure all sizes; write and return the rows, each with the machine that they hold for."""
    torch.set_num_threads(settings.threads)
    generator, rows = torch.Generator().manual_seed(0), []
    for size in settings.sizes:
        rows += [row | {"machine": processor(), "torch": torch.__version__} for row in measure(settings, size, generator)]
        write_table(settings.path, rows)
        gc.collect()  # the last network goes before the next one comes
    return rows


def processor() -> str:
    """Name the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    cost(tyro.cli(Cost))
