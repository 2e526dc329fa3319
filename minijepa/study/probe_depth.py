"""What does a deeper probe add? Attentive probes of depth 1 and 4 on a frozen encoder, beside a linear one.

``python -m minijepa.study.probe_depth --encoder data_samples/checkpoints/drift/encoder.safetensors --folder
data_samples/checkpoints/drift_probe`` writes ``accuracy.csv`` and one probe for each label and depth.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from minijepa.data.preprocess import normalize
from minijepa.data.toy_physics import sample, split_generator
from minijepa.intervals import wilson
from minijepa.model.encoder import VideoEncoder
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import load, save
from minijepa.study.compare import WORLDS
from minijepa.study.track import SPLITS, ProbeClips, Row, probe_clips, probe_features
from minijepa.train.attentive import ClipTokens, ProbeFit, Selection, fit_heads, grid, select_head, top1, view_probabilities
from minijepa.train.run import write_table
from minijepa.train.tokens import view_tokens

Tokens = dict[str, torch.Tensor]  # by split: (clips, 1, n, d)
STEPS = 120  # of each fit, whatever the number of labelled clips


@dataclass(frozen=True)
class ProbeDepth:
    """Say which encoder is probed with which probes."""

    encoder: Path  # a file that minijepa.load opens
    folder: Path  # accuracy.csv and LABEL_depthDEPTH.safetensors appear in it
    world: str = "drift"  # a name of compare.WORLDS
    labels: tuple[str, ...] = ("direction", "speed")
    labelled_clips: tuple[int, ...] = (250,)  # that a probe may use; the probes kept have the most
    depths: tuple[int, ...] = (1, 4)  # of the probes
    seeds: tuple[int, ...] = (10, 11, 12)  # of probe clips and probes; the probes kept are those of the first
    fit: ProbeFit = ProbeFit(grid((3e-3, 1e-3), (0.1,)), attention_heads=4, batch=32)  # depth is set for each


def clip_tokens(encoder: VideoEncoder, clips: ProbeClips) -> Tokens:
    """Encode every clip once."""
    return {
        split: torch.cat([view_tokens(encoder, part[:, None, None]) for part in video.split(256)])
        for split, video in clips.video.items()
    }


def fit_depth(
    settings: ProbeDepth, tokens: Tokens, clips: ProbeClips, label: str, count: int, depth: int, seed: int
) -> tuple[AttentiveProbe, Selection]:
    """Fit all heads of one depth on ``count`` labelled clips; return the chosen probe and the report."""
    epochs = max(1, round(STEPS * settings.fit.batch / count))
    heads = settings.fit.heads
    fit = ProbeFit(heads, depth, settings.fit.attention_heads, epochs, settings.fit.batch, seed)
    sets = {split: ClipTokens(tokens[split], clips.labels[split][label]) for split in SPLITS}
    few = ClipTokens(*(part[:count] for part in sets["train"]))
    probes = fit_heads(few, int(sets["train"].labels.max()) + 1, fit)
    selection = select_head(probes, fit, sets["validation"], sets["test"])
    return probes[selection.chosen], selection


def probe_depth(settings: ProbeDepth) -> list[Row]:
    """Probe with clips of every seed; write the table and the probes of the first seed, and return the rows."""
    torch.set_num_threads(1)
    encoder, rows = load(settings.encoder), []
    for seed in settings.seeds:
        sizes = {"train": max(settings.labelled_clips), "validation": 500, "test": 2000}
        clips = probe_clips(WORLDS[settings.world], seed, sizes)
        tokens = clip_tokens(encoder, clips)
        means = {split: part.mean((1, 2)) for split, part in tokens.items()}
        linear = probe_features(means, clips, settings.labels, settings.labelled_clips)
        rows += [{"probe_seed": seed, "depth": 0} | row | {"median_head": "", "heads": ""} for row in linear]
        for label in settings.labels:
            for count in settings.labelled_clips:
                for depth in settings.depths:
                    probe, selection = fit_depth(settings, tokens, clips, label, count, depth, seed)
                    rows.append({"probe_seed": seed, "depth": depth} | row(label, count, selection))
                    if (seed, count) == (settings.seeds[0], max(settings.labelled_clips)):
                        save(probe, settings.folder / f"{label}_depth{depth}.safetensors")
            write_table(settings.folder / "accuracy.csv", rows)
    return rows


def row(label: str, count: int, selection: Selection) -> Row:
    """Return one line of the table."""
    low, high = selection.interval
    facts: Row = {"label": label, "labelled_clips": count, "accuracy": selection.score, "low": low, "high": high}
    return facts | {"test_clips": selection.clips[1], "median_head": selection.median, "heads": len(selection.heads)}


def probe_accuracy(
    encoder: VideoEncoder, probe: AttentiveProbe, world: str, label: str, seed: int, count: int = 2000
) -> tuple[float, tuple[float, float]]:
    """Test a saved probe on fresh clips of a seed; return top-1 and its 95% interval over clips."""
    clips = sample(WORLDS[world], count, split_generator("test", 100 + seed))
    parts = normalize(clips.video).split(256)
    tokens = torch.cat([view_tokens(encoder, part[:, None, None]) for part in parts])
    accuracy = top1(view_probabilities(probe, tokens), clips.labels[label])
    return accuracy, wilson(round(accuracy * count), count)


if __name__ == "__main__":
    probe_depth(tyro.cli(ProbeDepth))
