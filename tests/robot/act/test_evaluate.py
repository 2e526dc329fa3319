"""Every kind is played in every way, each task with a seed of its own; the table says what was asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from minijepa.config import ActionPredictorConfig, EncoderConfig
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.train.latent_view import LatentView, ViewConfig
from minijepa.train.world_model import ViewedWorld, save_world
from minijepa_robot.act import evaluate as evaluating
from minijepa_robot.act.evaluate import Evaluate, Out, evaluate, open_world, summary
from minijepa_robot.act.play import DISPLACED, Played
from minijepa_robot.learn.joint import JointConfig, JointModel
from minijepa_robot.learn.world import save_joint
from minijepa_robot.sim.behave import Layout
from minijepa_robot.sim.scene import Scene
from minijepa_robot.sim.tasks import Outcome, Task
from tests.robot import needs

TASK = Task("lift", Scene(), Layout(np.array((0.5, 0, 0.2, 0, 0, 0, 0)), {"cube": (0.4, 0.1, 0.0)}), (), (0.4, 0.1, 0.0))


def played(done=True, ever=True, distance=0.01, seconds=0.5):
    outcome = Outcome(done, "reached" if done else "short of the goal", distance)
    return Played(outcome, ever, seconds, np.zeros((1, 7)), np.zeros((1, 3)))


@pytest.fixture
def draws(monkeypatch):
    """List what was drawn; nothing is simulated."""
    found = []

    def draw(kind, count, split, *, size, displaced):
        found.append((kind, count, split, displaced))
        return [replace(TASK, kind=kind) for _ in range(count)]

    monkeypatch.setattr(evaluating, "draw_tasks", draw)
    return found


@pytest.fixture
def plays(monkeypatch, draws):
    """List what was played."""
    found = []

    def play(task, arm, world, config, seed, setting):
        found.append((task.kind, arm, world is not None, seed, config.method, setting.stages))
        return played()

    monkeypatch.setattr(evaluating, "play", play)
    return found


@pytest.fixture
def joint(tmp_path):
    return save_joint(JointModel(JointConfig(width=8)), tmp_path / "joint.safetensors")


@pytest.fixture
def frozen(tmp_path):
    encoder = VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0))
    predictor = ActionPredictor(ActionPredictorConfig(3, 16, 1, 2, residual=True, rope="textbook"), torch.Generator())
    save_world(ViewedWorld(encoder, LatentView(ViewConfig("inverse", width=2), 16, 64), predictor, (1, 1)), tmp_path)
    return tmp_path


def test_every_kind_is_played_in_every_way(joint, draws, plays, tmp_path):
    arms = ("plan", "one picture", "expert")
    rows = evaluate(Evaluate(joint, 3, ("reach", "lift"), arms, episodes=2, budget=(16, 2), out=Out(tmp_path)))
    assert draws == [("reach", 2, "test", False), ("lift", 2, "test", False)]
    cells = [(kind, arm) for kind in ("reach", "lift") for arm in arms]
    assert [one[:4] for one in plays] == [(*cell, True, seed) for cell in cells for seed in (3000, 3001)]
    assert {(method.samples, method.iterations) for *_, method, _ in plays} == {(16, 2)} and {one[-1] for one in plays} == {()}
    assert [(row["kind"], row["arm"]) for row in rows] == cells
    assert [(row["samples"], row["iterations"]) for row in rows] == [(16, 2), (16, 2), (0, 0)] * 2
    assert {(row["model"], row["seed"], row["split"], row["displaced"]) for row in rows} == {("joint", 3, "test", 0)}
    assert len((tmp_path / "joint_s3.csv").read_text().splitlines()) == 7


def test_a_displaced_cube_has_stages_and_a_table_of_its_own(draws, plays, tmp_path):
    rows = evaluate(Evaluate(kinds=("lift",), arms=("tracker",), displaced=True, episodes=1, out=Out(tmp_path)))
    assert draws == [("lift", 1, "test", True)] and plays[0][-1] == DISPLACED
    assert (rows[0]["model"], rows[0]["displaced"]) == ("none", 1) and (tmp_path / "baselines_displaced_s0.csv").exists()


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"arms": ("expert", "plan")}, "give --model"),
        ({"arms": ("one picture",)}, "give --model"),
        ({"arms": ("tracker",), "displaced": True}, "--kinds lift"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is(asked, said, plays, tmp_path):
    with pytest.raises(ValueError, match=said):
        evaluate(Evaluate(**asked, out=Out(tmp_path)))
    assert not plays


def test_the_table_has_shares_centimetres_and_seconds():
    row = summary([played(), played(False, True, 0.02, 0.1), played(False, False, 0.09, 0.3)])
    assert (row["episodes"], row["done"], row["success"], row["ever"]) == (3, 1, 0.333, 0.667)
    assert (row["median_cm"], row["seconds_an_action"]) == (2.0, 0.3)
    assert row["outcomes"] == "short of the goal 2; reached 1"


@needs.simulation
def test_the_table_counts_what_was_done(tmp_path):
    rows = evaluate(Evaluate(kinds=("reach",), arms=("tracker",), episodes=2, out=Out(tmp_path)))
    assert (tmp_path / "baselines_s0.csv").read_text().count("\n") == 2 and rows[0]["done"] == 2


def test_a_file_is_a_joint_model_and_a_folder_a_frozen_one(joint, frozen):
    assert set(open_world(joint).blocks) == {"side", "wrist", "gripper"} and Evaluate(joint).name == "joint"
    assert open_world(frozen).blocks == {"side": slice(0, 2), "gripper": slice(2, None)} and Evaluate(frozen).name == "frozen"
