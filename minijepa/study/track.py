"""Watch what an encoder learns while it trains: linear probes on clips that training never sees."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minijepa.data.preprocess import normalize
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.model.encoder import VideoEncoder
from minijepa.train.fit_probe import LabelledFeatures, linear_probe, pooled_features

SPLITS = {"train": 4000, "validation": 1000, "test": 2000}  # labelled clips that a probe uses
Row = dict[str, float | int | str]


class ProbeClips(NamedTuple):
    """Hold labelled clips for fitting, choosing and testing probes."""

    video: dict[str, Float[Tensor, "clips 3 f H W"]]  # normalised, by split
    labels: dict[str, dict[str, Int[Tensor, "clips"]]]  # by split and name


def probe_clips(world: World, seed: int = 0, sizes: Mapping[str, int] = SPLITS) -> ProbeClips:
    """Draw probe clips of a world; ``split_generator`` keeps their seeds apart from each other and from training's."""
    clips = {split: sample(world, count, split_generator(split, 100 + seed)) for split, count in sizes.items()}
    return ProbeClips(
        {split: normalize(drawn.video) for split, drawn in clips.items()},
        {split: drawn.labels for split, drawn in clips.items()},
    )


def probe_features(
    features: Mapping[str, Float[Tensor, "clips d"]], clips: ProbeClips, names: Sequence[str], counts: Sequence[int]
) -> list[Row]:
    """Probe one feature vector a clip for each label name and each number of labelled training clips."""
    rows: list[Row] = []
    for name in names:
        sets = {split: LabelledFeatures(features[split], clips.labels[split][name]) for split in SPLITS}
        for count in counts:
            few = LabelledFeatures(*(part[:count] for part in sets["train"]))
            result = linear_probe(few, sets["validation"], sets["test"])
            low, high = result.interval
            row: Row = {"label": name, "labelled_clips": count, "accuracy": result.accuracy}
            rows.append(row | {"low": low, "high": high, "test_clips": result.clips})
    return rows


class ProbeTracker:
    """Probe an encoder whenever it is called and keep one row for each label and number of labelled clips."""

    def __init__(
        self, clips: ProbeClips, names: Sequence[str], counts: Sequence[int] = (4000,), earlier: Sequence[Row] = ()
    ) -> None:
        """Begin with the rows of an earlier process whose run goes on, and with its CPU seconds."""
        self.clips, self.names, self.counts = clips, names, counts
        self.rows = list(earlier)
        spent = float(self.rows[-1]["cpu_seconds"]) if self.rows else 0.0
        self.started, self.paused = time.process_time() - spent, 0.0

    def record(self, step: int, encoder: VideoEncoder) -> None:
        """Set the rows of this step, last so far; CPU seconds are those of the training alone, without the probes."""
        now = time.process_time()
        features = {split: pooled_features(encoder, video) for split, video in self.clips.video.items()}
        facts: Row = {"step": step, "cpu_seconds": round(now - self.started - self.paused, 2)}
        self.rows = [row for row in self.rows if int(row["step"]) < step]
        self.rows += [facts | row for row in probe_features(features, self.clips, self.names, self.counts)]
        self.paused += time.process_time() - now

    def latest(self, name: str) -> float:
        """Return the last accuracy for a label, from the largest number of labelled clips."""
        return next(float(row["accuracy"]) for row in reversed(self.rows) if row["label"] == name)


def raw_pixel_features(clips: ProbeClips, components: int = 256) -> dict[str, Float[Tensor, "clips d"]]:
    """Return the principal components of the pixels, fitted on the training clips: the features that need no network."""
    flat = {split: video.flatten(1) for split, video in clips.video.items()}
    mean = flat["train"].mean(0)
    centred = flat["train"] - mean
    vectors = torch.linalg.eigh(centred @ centred.T).eigenvectors[:, -components:]  # fewer clips than pixels
    basis = torch.nn.functional.normalize(centred.T @ vectors, dim=0)
    return {split: (pixels - mean) @ basis for split, pixels in flat.items()}
