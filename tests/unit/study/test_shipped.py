"""The checkpoints that we ship do what their cards say, on clips that nobody has used before."""

import csv
from pathlib import Path

import pytest
from safetensors import safe_open

from minijepa.model.predictor import MaskedPredictor
from minijepa.model.sizes import CONFIGS
from minijepa.model.weights import load
from minijepa.study.compare import WORLDS
from minijepa.study.track import probe_clips, probe_features
from minijepa.train.fit_probe import pooled_features

SHIPPED = Path(__file__).parents[3] / "data_samples" / "checkpoints"
FRESH = 77  # a probe seed that neither training nor any card has seen


def card(name: str) -> dict[tuple[str, int], float]:
    """Return the mean accuracy over probe seeds that the card of a checkpoint states."""
    rows = list(csv.DictReader((SHIPPED / name / "accuracy.csv").open()))
    keys = {(row["label"], int(row["labelled_clips"])) for row in rows}
    found = {k: [float(r["accuracy"]) for r in rows if (r["label"], int(r["labelled_clips"])) == k] for k in keys}
    return {key: sum(values) / len(values) for key, values in found.items()}


@pytest.mark.slow
def test_drift_encoder_reaches_its_card_on_fresh_clips():
    stated = card("drift")
    clips = probe_clips(WORLDS["drift"], FRESH)
    encoder = load(SHIPPED / "drift" / "encoder.safetensors")
    features = {split: pooled_features(encoder, video) for split, video in clips.video.items()}
    for row in probe_features(features, clips, ("direction", "speed"), (250, 4000)):
        want = stated[row["label"], row["labelled_clips"]]
        # 2,000 test clips: 2.5 standard errors; with few labels the choice of clips moves the figure as well
        room = 0.06 if row["labelled_clips"] == 250 else 2.5 * (want * (1 - want) / 2000) ** 0.5 + 0.005
        assert row["accuracy"] >= want - room, row


def test_shipped_files_are_small_and_whole():
    for path in SHIPPED.glob("*/*.safetensors"):
        room = 20e6 if path.parent.name == "arm" else 10e6
        assert path.stat().st_size < room, f"{path}: at most {room / 1e6:.0f} MB"
        with safe_open(path, framework="pt") as file:  # reads the header, and refuses a file that was cut off
            assert file.metadata().get("kind") and list(file.keys()), path
            network = file.metadata()["kind"] in CONFIGS
        if network:  # other parts of world models have loaders and tests of their own
            load(path)
    assert isinstance(load(SHIPPED / "drift" / "predictor.safetensors"), MaskedPredictor)
    assert "--recipe drift" in (SHIPPED / "drift" / "README.md").read_text()
