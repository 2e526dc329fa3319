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
from minijepa.study.dense import Dense
from minijepa.study.supervise import endless_labels, supervise
from minijepa.study.track import ProbeClips, ProbeTracker, Row, probe_clips, probe_features, raw_pixel_features
from minijepa.train.batches import ToyBatches
from minijepa.train.masks import Tube
from minijepa.train.objective import Objective, latent_loss, pixel_loss
from minijepa.train.pretrain import PretrainConfig, Run, State, pretrain
from minijepa.train.run import write_table
from minijepa.train.schedule import Optimisation

BOX = replace(World.rich(48, 8, noise=0.2), radius=(4.0, 5.0), others=(2.0, 3.0))  # px; shapes smaller than in World.rich
STANDING = replace(BOX, motion=replace(BOX.motion, bar_place="middle"))
WORLDS = {
    "drift": World.drift(),
    "drift_hue": World.drift(hue="clip"),  # the same with a coloured shape: a slow feature that is free to predict
    "drift_distractors": replace(World.drift(), look=replace(World.drift().look, distractors="strong")),
    "rich": STANDING,
    "rich_distractors": replace(STANDING, look=replace(STANDING.look, distractors="strong")),
    "rich_roaming_bar": BOX,  # the same with a bar that stands elsewhere in every clip
}
OBJECTIVES: dict[str, Objective] = {"pixels": pixel_loss, "dense": Dense()}  # of the other arms: latent_loss


@dataclass(frozen=True)
class Compare:
    """Say which arm to train on which world."""

    world: Literal["drift", "drift_hue", "drift_distractors", "rich", "rich_distractors", "rich_roaming_bar"] = "drift"
    arm: Literal["jepa", "tubes", "dense", "pixels", "supervised", "raw"] = "jepa"  # pixels: the twin; raw: PCA of pixels
    seed: int = 0  # of weights, training clips, masks and probe clips
    steps: int = 1200  # optimiser steps, 32 clips each
    probe_every: int = 100  # steps
    labelled_clips: tuple[int, ...] = (250, 4000)  # that the probes may use
    folder: Path = Path("runs/compare")  # WORLD/ARM_sSEED.csv and the weights appear in it


def pretrain_config(compare: Compare) -> PretrainConfig:
    """Return the run of a self-supervised arm: warm-up, then a constant rate, so that any step is a fair stop."""
    run = Run(seed=compare.seed, save_every=compare.probe_every, log_every=compare.probe_every, quiet=True)
    config = PretrainConfig(data=ToyBatches(WORLDS[compare.world]), optim=optimisation(compare.steps), run=run)
    if compare.world.startswith("rich"):  # as many tokens as in drift, from a picture of 48 px
        config = replace(config, encoder=replace(config.encoder, patch=12))
    if compare.arm == "tubes":
        config = replace(config, masks=(Tube(), Tube()))
    outputs = {"pixels": 3 * config.encoder.tubelet * config.encoder.patch**2, "dense": 3 * config.encoder.width}
    return replace(config, predictor=replace(config.predictor, output_width=outputs.get(compare.arm)))


def optimisation(steps: int, decay: int = 0) -> Optimisation:
    """Return the optimiser settings of the toy pretraining for another number of steps."""
    optim = PretrainConfig().optim
    return replace(optim, steps=steps, rate=replace(optim.rate, warmup=max(1, steps // 20), decay=decay))


def train_arm(compare: Compare, clips: ProbeClips, tracker: ProbeTracker) -> None:
    """Train one arm, probing as it goes, and save its encoder; a self-supervised run that was killed goes on."""
    config = pretrain_config(compare)

    def record(step: int, encoder: VideoEncoder) -> None:
        tracker.record(step, encoder)
        write_table(output(compare), tracker.rows)

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
            lambda step, encoder, heads: record(step, encoder),
            compare.probe_every,
        )
    else:
        pixels = compare.arm == "pixels"  # a masked autoencoder has no teacher: its encoder is judged as it is

        def judged(state: State) -> VideoEncoder:
            return state.encoder if pixels else state.teacher

        config = replace(config, run=replace(config.run, folder=checkpoints(compare)))
        objective = OBJECTIVES.get(compare.arm, latent_loss)
        state = pretrain(config, objective, lambda state: record(state.step, judged(state)), compare.probe_every)
        encoder = judged(state)
    save(encoder, output(compare).with_suffix(".safetensors"))


def output(compare: Compare) -> Path:
    """Return the CSV file of an arm."""
    return compare.folder / compare.world / f"{compare.arm}_s{compare.seed}.csv"


def checkpoints(compare: Compare) -> Path:
    """Return the folder from which an arm goes on."""
    return output(compare).with_suffix("")


def compare_arm(compare: Compare) -> list[Row]:
    """Run one arm and write its rows; return them."""
    torch.set_num_threads(1)  # CPU seconds are comparable only at the same number
    clips = probe_clips(WORLDS[compare.world], compare.seed)
    names = tuple(clips.labels["train"])
    if compare.arm == "raw":
        features = raw_pixel_features(clips)
        rows = probe_features(features, clips, names, compare.labelled_clips)
        rows = [{"step": 0, "cpu_seconds": 0.0} | row for row in rows]
        write_table(output(compare), rows)
        return rows
    tracker = ProbeTracker(clips, names, compare.labelled_clips, earlier_rows(compare))
    train_arm(compare, clips, tracker)
    return tracker.rows


def earlier_rows(compare: Compare) -> list[Row]:
    """Return the rows that a killed run left, or none if there is no checkpoint to go on from."""
    if not ((checkpoints(compare) / "last.pt").exists() and output(compare).exists()):
        return []
    return list(csv.DictReader(output(compare).read_text().splitlines()))


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
