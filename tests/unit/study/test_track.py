"""The tracker asks every network the same questions, on clips that are kept apart, and changes nothing."""

import pytest
import torch

from minijepa.data.toy_physics import World
from minijepa.study.track import ProbeTracker, probe_clips, raw_pixel_features
from minijepa.train.pretrain import fresh_state, pretrain
from tests.unit.train.tiny import tiny_config

SIZES = {"train": 200, "validation": 50, "test": 40}


@pytest.fixture(scope="module")
def clips():
    return probe_clips(World.drift(), sizes=SIZES)


def test_rows_of_a_run(clips):
    tracker = ProbeTracker(clips, ("direction", "speed"), (100, 200))
    pretrain(tiny_config(steps=4), watch=lambda state: tracker.record(state.step, state.teacher), watch_every=2)
    asked = [(row["step"], row["label"], row["labelled_clips"]) for row in tracker.rows]
    assert asked == [(s, name, n) for s in (0, 2, 4) for name in ("direction", "speed") for n in (100, 200)]
    assert all(row["low"] <= row["accuracy"] <= row["high"] and row["test_clips"] == 40 for row in tracker.rows)
    assert tracker.latest("speed") == tracker.rows[-1]["accuracy"]
    seconds = [row["cpu_seconds"] for row in tracker.rows]
    assert seconds == sorted(seconds)


def test_a_run_that_goes_on_keeps_its_rows_and_its_seconds(clips):
    encoder = fresh_state(tiny_config()).teacher
    killed = ProbeTracker(clips, ("direction",), (100,))
    for step in (0, 2, 4):
        killed.record(step, encoder)
    earlier = [row | {"cpu_seconds": "50.0"} for row in killed.rows]  # as a CSV file gives them
    tracker = ProbeTracker(clips, ("direction",), (100,), earlier)
    tracker.record(4, encoder)  # seen before the kill, after the checkpoint
    assert [row["step"] for row in tracker.rows] == [0, 2, 4]
    assert [row["cpu_seconds"] for row in tracker.rows[:2]] == ["50.0", "50.0"] and 50 <= tracker.rows[2]["cpu_seconds"] < 60


def test_no_probe_clip_is_in_two_splits_or_in_training(clips):
    train, test = clips.video["train"].flatten(1), clips.video["test"].flatten(1)
    assert not (test[:, None] == train[None]).all(2).any()
    again = probe_clips(World.drift(), sizes=SIZES)
    assert torch.equal(again.video["test"], clips.video["test"])
    assert not torch.equal(probe_clips(World.drift(), 1, SIZES).video["test"], clips.video["test"])


def test_watching_does_not_change_the_weights(clips):
    tracker = ProbeTracker(clips, ("direction",), (200,))
    quiet = pretrain(tiny_config(steps=4))
    watched = pretrain(tiny_config(steps=4), watch=lambda state: tracker.record(state.step, state.teacher), watch_every=1)
    for one, two in zip(quiet.teacher.parameters(), watched.teacher.parameters(), strict=True):
        assert torch.equal(one, two)


def test_pixel_features_are_principal_components(clips):
    features = raw_pixel_features(clips, 8)["train"]
    covariance = features.T @ features
    assert features.shape == (200, 8)
    off = covariance - covariance.diag().diag()
    assert off.abs().max() < 1e-3 * covariance.diagonal().min()
    centred = clips.video["train"].flatten(1) - clips.video["train"].flatten(1).mean(0)
    assert covariance.trace() <= centred.square().sum()
    strongest = torch.linalg.svdvals(centred)[:8].square()
    assert torch.allclose(covariance.diagonal().sort(descending=True).values, strongest, rtol=1e-3)
