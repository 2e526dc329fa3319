"""Compare ways to learn from the same clips: who knows what, after how many steps, from how many labels?

``python -m minijepa.study.compare --world drift --arm jepa --seed 0`` trains one arm and writes its probe
accuracies to a CSV file. All arms share encoder, clips, batch, optimiser and number of steps; the chapters draw
their figures from these files.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import tyro
from jaxtyping import Float64

from minijepa.data.toy_physics import World
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import save
from minijepa.study.supervise import endless_labels, supervise
from minijepa.study.track import ProbeClips, ProbeTracker, Row, probe_clips, probe_features, raw_pixel_features
from minijepa.train.batches import ToyBatches
from minijepa.train.masks import Future, Tube
from minijepa.train.objective import latent_loss, pixel_loss
from minijepa.train.pretrain import PretrainConfig, Run, State, pretrain
from minijepa.train.run import write_table
from minijepa.train.schedule import Optimisation

WORLDS = {
    "drift": World.drift(),
    "drift_hue": World.drift(hue="clip"),  # the same with a coloured shape: a slow feature that is free to predict
    "drift_distractors": replace(World.drift(), look=replace(World.drift().look, distractors="strong")),
    "rich": World.rich(frames=8),
    "rich_distractors": World.rich(frames=8, distractors="strong"),
}


@dataclass(frozen=True)
class Compare:
    """Say which arm to train on which world."""

    world: Literal["drift", "drift_hue", "drift_distractors", "rich", "rich_distractors"] = "drift"
    arm: Literal["jepa", "tubes", "pixels", "supervised", "raw"] = "jepa"  # pixels: the twin; raw: PCA of the pixels
    seed: int = 0  # of weights, training clips, masks and probe clips
    steps: int = 1200  # optimiser steps, 32 clips each
    probe_every: int = 100  # steps
    labelled_clips: tuple[int, ...] = (250, 4000)  # that the probes may use
    folder: Path = Path("runs/compare")  # WORLD/ARM_sSEED.csv and the weights appear in it


def pretrain_config(compare: Compare) -> PretrainConfig:
    """Return the run of a self-supervised arm: warm-up, then a constant rate, so that any step is a fair stop."""
    run = Run(seed=compare.seed, log_every=compare.probe_every, quiet=True)
    config = PretrainConfig(data=ToyBatches(WORLDS[compare.world]), optim=optimisation(compare.steps), run=run)
    if compare.world.startswith("rich"):  # seed 0, 400 steps: speed .60 with these masks, .43 with the default
        config = replace(config, masks=(Future(0.5), Future(0.25)))
    if compare.arm == "tubes":
        config = replace(config, masks=(Tube(), Tube()))
    if compare.arm == "pixels":
        tubelet = 3 * config.encoder.tubelet * config.encoder.patch**2
        return replace(config, predictor=replace(config.predictor, output_width=tubelet))
    return config


def optimisation(steps: int, decay: int = 0) -> Optimisation:
    """Return the optimiser settings of the toy pretraining for another number of steps."""
    optim = PretrainConfig().optim
    return replace(optim, steps=steps, rate=replace(optim.rate, warmup=max(1, steps // 20), decay=decay))


def train_arm(compare: Compare, clips: ProbeClips, tracker: ProbeTracker) -> None:
    """Train one arm, probing as it goes, and save its encoder."""
    config = pretrain_config(compare)
    if compare.arm == "supervised":
        classes = {name: int(clips.labels["train"][name].max()) + 1 for name in tracker.names}
        batches = endless_labels(WORLDS[compare.world], config.batch, compare.seed)
        generator = torch.Generator().manual_seed(compare.seed)
        encoder, _ = supervise(
            config.encoder,
            classes,
            batches,
            config.optim,
            generator,
            lambda step, encoder, heads: tracker.record(step, encoder),
            compare.probe_every,
        )
    else:
        pixels = compare.arm == "pixels"  # a masked autoencoder has no teacher: its encoder is judged as it is

        def judged(state: State) -> VideoEncoder:
            return state.encoder if pixels else state.teacher

        objective = pixel_loss if pixels else latent_loss
        state = pretrain(config, objective, lambda state: tracker.record(state.step, judged(state)), compare.probe_every)
        encoder = judged(state)
    save(encoder, output(compare).with_suffix(".safetensors"))


def output(compare: Compare) -> Path:
    """Return the CSV file of an arm."""
    return compare.folder / compare.world / f"{compare.arm}_s{compare.seed}.csv"


def compare_arm(compare: Compare) -> list[Row]:
    """Run one arm and write its rows; return them."""
    torch.set_num_threads(1)  # CPU seconds are comparable only at the same number
    clips = probe_clips(WORLDS[compare.world], compare.seed)
    names = tuple(clips.labels["train"])
    tracker = ProbeTracker(clips, names, compare.labelled_clips)
    if compare.arm == "raw":
        features = raw_pixel_features(clips)
        rows = [{"step": 0, "cpu_seconds": 0.0} | row for row in probe_features(features, clips, names, tracker.counts)]
    else:
        train_arm(compare, clips, tracker)
        rows = tracker.rows
    write_table(output(compare), rows)
    return rows


class Curves(NamedTuple):
    """Hold the measured accuracy of one arm over training."""

    steps: Float64[np.ndarray, "steps"]
    accuracy: Float64[np.ndarray, "seeds steps"]
    cpu_seconds: Float64[np.ndarray, "seeds steps"]  # of training alone, without the probes


def read_curves(folder: Path, world: str, arm: str, label: str, labelled_clips: int = 4000) -> Curves:
    """Read what ``compare_arm`` wrote for all seeds of an arm; raise FileNotFoundError if there are none."""
    files = sorted((folder / world).glob(f"{arm}_s*.csv"))
    if not files:
        raise FileNotFoundError(
            f"{folder / world}: expected files {arm}_s*.csv, found none; make them by "
            f"python -m minijepa.study.compare --world {world} --arm {arm} --folder {folder}"
        )
    seeds = []
    for file in files:
        rows = csv.DictReader(file.read_text().splitlines())
        wanted = [r for r in rows if r["label"] == label and int(r["labelled_clips"]) == labelled_clips]
        seeds.append([(float(r["step"]), float(r["accuracy"]), float(r["cpu_seconds"])) for r in wanted])
    table = np.array(seeds)  # (seeds, steps, 3)
    return Curves(table[0, :, 0], table[:, :, 1], table[:, :, 2])


if __name__ == "__main__":
    compare_arm(tyro.cli(Compare))
