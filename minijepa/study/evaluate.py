"""Probe a saved encoder on fresh clips and keep the figures beside it, where its card and its test read them.

``python -m minijepa.study.evaluate --encoder data_samples/checkpoints/drift/encoder.safetensors`` writes
``accuracy.csv`` into the folder of the encoder.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from minijepa.model.weights import load
from minijepa.study.compare import WORLDS
from minijepa.study.track import Row, probe_clips, probe_features
from minijepa.train.fit_probe import pooled_features
from minijepa.train.run import write_table


@dataclass(frozen=True)
class Evaluate:
    """Say which encoder is probed on which clips."""

    encoder: Path  # a file that minijepa.load opens
    world: str = "drift"  # a name of compare.WORLDS
    labels: tuple[str, ...] = ("direction", "speed")
    labelled_clips: tuple[int, ...] = (250, 4000)  # that the probe may use
    seeds: tuple[int, ...] = (10, 11, 12)  # of probe clips; training and comparisons use others
    threads: int = 1  # of torch


def evaluate(settings: Evaluate) -> list[Row]:
    """Probe the encoder with clips of every seed; write and return the rows."""
    torch.set_num_threads(settings.threads)
    if settings.world not in WORLDS:
        raise ValueError(f"world: expected one of {sorted(WORLDS)}, got {settings.world!r}")
    encoder, rows = load(settings.encoder), []
    for seed in settings.seeds:
        clips = probe_clips(WORLDS[settings.world], seed)
        features = {split: pooled_features(encoder, video) for split, video in clips.video.items()}
        probed = probe_features(features, clips, settings.labels, settings.labelled_clips)
        rows += [{"probe_seed": seed} | row for row in probed]
    write_table(settings.encoder.parent / "accuracy.csv", rows)
    return rows


if __name__ == "__main__":
    evaluate(tyro.cli(Evaluate))
