"""The comparison of probe depths keeps its seeds apart, and the shipped probes do what their card says on fresh clips."""

import csv
from pathlib import Path

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import load, save
from minijepa.study import probe_depth as study
from minijepa.study.probe_depth import ProbeDepth, probe_accuracy, probe_depth
from minijepa.study.track import ProbeClips, probe_clips

SHIPPED = Path(__file__).parents[3] / "data_samples" / "checkpoints"
FRESH = 77  # a seed of clips that neither training nor any card has seen


def card() -> list[dict[str, str]]:
    return list(csv.DictReader((SHIPPED / "drift_probe" / "accuracy.csv").open()))


def stated(label: str, depth: int) -> float:
    """Return the mean over seeds that the card states for the most labelled clips."""
    rows = [row for row in card() if (row["label"], int(row["depth"])) == (label, depth)]
    most = max(int(row["labelled_clips"]) for row in rows)
    values = [float(row["accuracy"]) for row in rows if int(row["labelled_clips"]) == most]
    return sum(values) / len(values)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("label", ["direction", "speed"])
def test_shipped_probes_reach_their_card_on_fresh_clips(label, depth):
    encoder = load(SHIPPED / "drift" / "encoder.safetensors")
    probe = load(SHIPPED / "drift_probe" / f"{label}_depth{depth}.safetensors")
    assert isinstance(probe, AttentiveProbe) and probe.config.depth == depth
    accuracy, (low, high) = probe_accuracy(encoder, probe, "drift", label, FRESH, 1000)
    want = stated(label, depth)
    assert low <= accuracy <= high
    assert accuracy >= want - 2.5 * (want * (1 - want) / 1000) ** 0.5 - 0.01, (accuracy, want)  # 1,000 clips, one probe


def test_the_card_names_its_choice():
    rows = [row for row in card() if row["depth"] != "0"]
    assert rows and all(int(row["heads"]) >= 2 and row["median_head"] for row in rows)
    assert all(float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) for row in rows)


@pytest.fixture
def few_clips(monkeypatch) -> list[int]:
    """Make the study small, and note which seeds it drew."""
    seeds: list[int] = []
    sizes = {"train": 40, "validation": 16, "test": 24}

    def draw(world, seed: int, wanted: dict[str, int]) -> ProbeClips:
        assert wanted["train"] == 40
        seeds.append(seed)
        return probe_clips(world, seed, sizes)

    monkeypatch.setattr(study, "probe_clips", draw)
    monkeypatch.setattr(study, "STEPS", 3)
    return seeds


def test_the_study_writes_its_table_and_the_probes_of_the_first_seed(tmp_path, few_clips):
    encoder = save(VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)), tmp_path / "encoder.safetensors")
    settings = ProbeDepth(encoder, tmp_path / "probe", labels=("speed",), labelled_clips=(8, 40), depths=(1, 2), seeds=(3, 4))
    rows = probe_depth(settings)
    assert few_clips == [3, 4]
    assert len(rows) == 2 * (2 + 4)  # seeds x (linear probes + labelled clips x depths)
    assert rows == [row | {"heads": row["heads"]} for row in rows] and len({tuple(row) for row in rows}) == 1
    table = list(csv.DictReader((tmp_path / "probe" / "accuracy.csv").open()))
    assert [row["depth"] for row in table[:6]] == ["0", "0", "1", "2", "1", "2"]
    names = sorted(path.name for path in (tmp_path / "probe").glob("*.safetensors"))
    assert names == ["speed_depth1.safetensors", "speed_depth2.safetensors"]
    probe = load(tmp_path / "probe" / names[1])
    again = probe_accuracy(load(encoder), probe, "drift", "speed", seed=5, count=10)
    assert 0 <= again[1][0] <= again[0] <= again[1][1] <= 1
