"""Cause collapse and watch it: train one variant of the objective and read every meter on the way.

``python -m minijepa.study.collapse --way trained_targets --seed 0`` writes one CSV file. All ways share networks,
clips, masks, optimiser and number of steps; chapter 07 runs some of them live and draws the others from these files.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from minijepa.data.toy_physics import World
from minijepa.study.compare import Compare, pretrain_config
from minijepa.study.track import ProbeClips, Row, probe_clips, probe_features
from minijepa.study.variants import Variant
from minijepa.train.fit_probe import pooled_features
from minijepa.train.health import constant_loss, effective_rank, feature_std, neighbour_agreement
from minijepa.train.pretrain import PretrainConfig, Processes, State, draw_masks, pretrain
from minijepa.train.run import write_table

WAYS = {
    "jepa": Variant(),
    "trained_targets": Variant(targets="student", stop_gradient=False),
    "trained_raw_targets": Variant(targets="student", stop_gradient=False, layer_norm=False),
    "no_predictor": Variant(targets="student", stop_gradient=False, predictor=False),
    "stop_gradient_only": Variant(targets="student"),  # a JEPA without the slow copy
    "raw_targets": Variant(layer_norm=False),  # a JEPA without the layer norm of its targets
    "teacher_without_predictor": Variant(predictor=False),
    "variance_covariance": Variant(targets="student", stop_gradient=False, regulariser="variance_covariance"),
    "sigreg_clips": Variant(targets="student", stop_gradient=False, regulariser="sigreg", samples="clips"),
    "sigreg_strong": Variant("student", False, regulariser="sigreg", weight=10.0, samples="clips"),
}
SIZES = {"train": 1000, "validation": 300, "test": 1000}  # labelled clips of the small probe
METER_CLIPS = 256  # validation clips on which the loss is read


@dataclass(frozen=True)
class Collapse:
    """Say which way to train and how often to read the meters."""

    way: Literal[tuple(WAYS)] = "jepa"  # what is left out, or put in its place
    seed: int = 0  # of weights, training clips, masks and probe clips
    steps: int = 300  # optimiser steps, 32 clips each
    every: int = 50  # steps between readings
    threads: int = 1  # of torch
    folder: Path = Path("runs/collapse")  # WAY_sSEED.csv appears in it


class Meters:
    """Read a run on clips that training never sees: its loss, what the loss is worth, and its features.

    rows: one a reading. features: of the last reading, one vector a clip, by split.
    """

    def __init__(self, variant: Variant, config: PretrainConfig, clips: ProbeClips) -> None:
        self.variant, self.config, self.clips = variant, config, clips
        self.rows: list[Row] = []
        self.features: dict[str, Tensor] = {}

    @torch.no_grad()
    def read(self, state: State) -> None:
        """Add a row: the networks that make the targets are measured, on masks that stay the same."""
        judged = state.teacher if self.variant.targets == "teacher" else state.encoder
        video = self.clips.video["validation"][:METER_CLIPS]
        masks = draw_masks(self.config, judged.grid(video), 0, Processes())
        few = video[: self.config.batch]
        plain = Variant(self.variant.targets, True, self.variant.layer_norm, self.variant.predictor)
        targets = judged(video)
        targets = F.layer_norm(targets, targets.shape[-1:]) if self.variant.layer_norm else targets
        self.features = {split: pooled_features(judged, clips) for split, clips in self.clips.video.items()}
        row = {
            "step": state.step,
            "loss": plain(state.encoder, state.predictor, state.teacher, few, masks).item(),
            "constant_loss": constant_loss(targets),
            "feature_std": feature_std(self.features["test"]),
            "effective_rank": effective_rank(self.features["test"]),
            "neighbours": neighbour_agreement(self.features["test"], self.clips.labels["test"]["direction"]),
        }
        with torch.enable_grad():
            (probe,) = probe_features(self.features, self.clips, ("direction",), (SIZES["train"],))
        self.rows.append(row | {"direction": probe["accuracy"]})


def run(collapse: Collapse, clips: ProbeClips | None = None) -> Meters:
    """Train one way from the seed and return its meters; ``clips`` saves drawing the probe clips again."""
    variant = WAYS[collapse.way]
    config = pretrain_config(Compare("drift", "jepa", collapse.seed, collapse.steps))
    meters = Meters(variant, config, clips or probe_clips(World.drift(), collapse.seed, SIZES))
    pretrain(config, variant, meters.read, collapse.every)
    return meters


def main(collapse: Collapse) -> None:
    """Run one way and write its rows."""
    torch.set_num_threads(collapse.threads)
    rows = [{k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in run(collapse).rows]
    write_table(collapse.folder / f"{collapse.way}_s{collapse.seed}.csv", rows)


def columns(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Turn readings around: one list for each meter."""
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def read_columns(file: Path) -> dict[str, list[float]]:
    """Read what ``main`` wrote; raise FileNotFoundError with the command that makes it if there is no such file."""
    if not file.exists():
        way, seed = file.stem.rsplit("_s", 1)
        raise FileNotFoundError(
            f"{file}: expected the readings of a run, found no file; make it by "
            f"python -m minijepa.study.collapse --way {way} --seed {seed} --folder {file.parent}"
        )
    return columns(list(csv.DictReader(file.read_text().splitlines())))


if __name__ == "__main__":
    main(tyro.cli(Collapse))
