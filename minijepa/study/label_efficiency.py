"""What do labels buy? A frozen encoder with a linear probe, against the same encoder trained from scratch.

``python -m minijepa.study.label_efficiency --encoder ENCODER.safetensors --seed 0`` writes one CSV.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from minijepa.config import EncoderConfig
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.intervals import wilson
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load
from minijepa.study.compare import optimisation
from minijepa.study.supervise import few_labels, label_accuracy, supervise
from minijepa.study.track import SPLITS, ProbeClips, Row, probe_clips, probe_features
from minijepa.train.fit_probe import pooled_features
from minijepa.train.run import write_table


@dataclass(frozen=True)
class LabelEfficiency:
    """Say which encoder is compared with how many labels."""

    encoder: Path  # pretrained without labels on the drift world
    seed: int = 0  # of the labelled clips and of the networks trained from scratch
    labelled_clips: tuple[int, ...] = (50, 250, 1000, 4000)
    steps: int = 600  # of the networks trained from scratch, 32 clips each
    validate_every: int = 100  # steps; the best of them on validation clips is tested
    label: str = "direction"
    threads: int = 1  # of torch
    folder: Path = Path("runs/label_efficiency")  # drift_sSEED.csv appears in it


def from_scratch(settings: LabelEfficiency, world: World, clips: ProbeClips, count: int) -> Row:
    """Train on ``count`` labelled clips end to end, keep the step that is best on validation clips, and test it.

    Test clips take no part in that choice: the accuracy on them is noted at every validation and read at the best.
    """
    labelled = sample(world, SPLITS["train"], split_generator("train", 100 + settings.seed))
    labelled = replace(labelled, video=labelled.video[:count], labels={k: v[:count] for k, v in labelled.labels.items()})
    generator = torch.Generator().manual_seed(settings.seed)
    classes = {settings.label: int(clips.labels["train"][settings.label].max()) + 1}
    scores: list[tuple[float, float]] = []

    def validate(step: int, encoder: VideoEncoder, heads: torch.nn.ModuleDict) -> None:
        of = {s: (clips.video[s], clips.labels[s][settings.label]) for s in ("validation", "test")}
        scores.append(tuple(label_accuracy(encoder.eval(), heads[settings.label], *of[s]) for s in of))

    optim = optimisation(settings.steps, decay=settings.steps // 3)
    batches = few_labels(labelled, 32, generator)
    supervise(EncoderConfig.tiny(), classes, batches, optim, generator, validate, settings.validate_every)
    return row("supervised", count, max(scores)[1], len(clips.labels["test"][settings.label]))


def row(method: str, count: int, accuracy: float, tests: int) -> Row:
    """Return one line of the table."""
    low, high = wilson(round(accuracy * tests), tests)
    facts: Row = {"method": method, "labelled_clips": count, "accuracy": accuracy}
    return facts | {"low": low, "high": high, "test_clips": tests}


def label_efficiency(settings: LabelEfficiency) -> list[Row]:
    """Compare probe and training from scratch for each number of labels; write and return the rows."""
    torch.set_num_threads(settings.threads)
    world = World.drift()
    clips = probe_clips(world, settings.seed)
    encoder = load(settings.encoder)
    features = {split: pooled_features(encoder, video) for split, video in clips.video.items()}
    probed = probe_features(features, clips, (settings.label,), settings.labelled_clips)
    rows = [row("jepa", int(p["labelled_clips"]), float(p["accuracy"]), int(p["test_clips"])) for p in probed]
    rows += [from_scratch(settings, world, clips, count) for count in settings.labelled_clips]
    write_table(settings.folder / f"drift_s{settings.seed}.csv", rows)
    return rows


if __name__ == "__main__":
    label_efficiency(tyro.cli(LabelEfficiency))
