"""The measurement of planning counts right, and its parts fit together."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.data.toy_reach import ReachWorld
from minijepa.intervals import wilson
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import CheckpointError
from minijepa.plan.control import Robot, SubGoal, control
from minijepa.plan.world import WorldModel
from minijepa.study.reach import Reach, build, pretraining, reach, tasks
from minijepa.study.reach_play import ARMS, Played, ReachRobot, plane_space, planner, play, summary
from minijepa.train.transitions import encode_episodes
from minijepa.train.world_model import load_world, save_world

WORLD = ReachWorld()


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)).eval()


@pytest.fixture(scope="module")
def model(encoder):
    return build(encoder, "inverse", 0, encode_episodes(encoder, WORLD, 40, 7, "train", 9), steps=4)


class Oracle:
    """Know the place behind a picture, because it is told."""

    def __init__(self, robot_state) -> None:
        self.robot_state = robot_state

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        return self.robot_state()

    def step(self, latent, action, pose, memory):
        return (pose + action).clamp(-WORLD.reach, WORLD.reach), None


def test_robot_and_model_are_what_the_planner_asks_for(model):
    given = tasks("validation", 1)
    robot = ReachRobot(WORLD, given.scene, given.start, torch.Generator().manual_seed(0))
    image, pose = robot.observe()
    assert isinstance(robot, Robot) and isinstance(model, WorldModel)
    assert image.shape == (1, 3, 32, 32) and torch.equal(pose, given.start)
    robot.act(torch.tensor([0.1, 0.0]))
    assert not torch.equal(robot.observe()[1], given.start)
    assert model.encode(image).shape == (1, 1, 2)


def test_planner_with_the_truth_reaches_nearly_every_goal():
    given = tasks("validation", 20)
    ends = []
    for k in range(20):
        robot = ReachRobot(WORLD, given.scene.rows(slice(k, k + 1)), given.start[k : k + 1], torch.Generator().manual_seed(k))
        oracle = Oracle(lambda robot=robot: robot.track[-1])
        goal = SubGoal(given.goal[k : k + 1], 20)
        control(oracle, robot, [goal], planner(), torch.Generator().manual_seed(k))
        ends.append((robot.track[-1] - given.goal[k]).norm().item())
    assert sum(end < WORLD.radius for end in ends) >= 18


def test_random_policy_hardly_reaches_and_is_the_same_every_time(model):
    given = tasks("test", 200)
    one, two = (play(None, WORLD, given, model, 0) for _ in range(2))
    assert torch.equal(one.distances, two.distances) and one.distances.shape == (200, 21)
    assert summary(one, WORLD.radius)["success"] <= 0.1


def test_tasks_are_the_same_for_every_seed_and_differ_between_splits():
    one, two, other = tasks("test", 5), tasks("test", 5), tasks("validation", 5)
    assert torch.equal(one.goal_image, two.goal_image) and not torch.equal(one.goal, other.goal)


def test_poses_stay_in_the_box():
    space = plane_space(WORLD)
    assert space.advance(torch.tensor([[0.7, 0.0]]), torch.tensor([[0.2, 0.1]])).tolist()[0] == pytest.approx([0.72, 0.1])


def test_summary_counts_ends_and_not_passers_by():
    distances = torch.tensor([[1.0, 0.1, 0.5], [1.0, 0.5, 0.28], [1.0, 0.9, 0.27], [1.0, 0.9, 0.8]])
    row = summary(Played(distances, 0.5), 0.28)
    assert (row["reached"], row["success"], row["ever"]) == (2, 0.5, 0.75)
    assert (row["low"], row["high"]) == tuple(round(x, 3) for x in wilson(2, 4))


def test_world_model_survives_its_files(model, tmp_path):
    save_world(model, tmp_path)
    again = load_world(tmp_path)
    image = tasks("test", 2).goal_image
    action = torch.zeros(2, 2)
    assert torch.equal(model.encode(image), again.encode(image))
    both = [world.step(world.encode(image), action, action, None)[0] for world in (model, again)]
    assert torch.equal(*both) and again.grid == model.grid
    (tmp_path / "view.safetensors").write_bytes((tmp_path / "encoder.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="kind 'view'"):
        load_world(tmp_path)


@pytest.mark.parametrize("form", ["released", "standardised"])
def test_other_views_plan_too(encoder, form):
    known = encode_episodes(encoder, WORLD, 8, 7, "train", 9)
    model = build(encoder, form, 0, known, steps=1)
    assert model.grid == (4, 4) and model.predictor.config.residual == (form == "standardised")
    given = tasks("validation", 1)
    assert play(
        replace(planner(), method=replace(planner().method, iterations=1)), WORLD, given, model, 0, 2
    ).distances.shape == (1, 3)


def test_command_writes_one_row_an_arm(tmp_path, monkeypatch):
    monkeypatch.setattr("minijepa.study.reach.EPISODES", 24)
    monkeypatch.setattr("minijepa.study.reach.POST_STEPS", 2)
    settings = Reach(
        seed=3, encoder="random", episodes=2, arms=("plan", "random"), worlds=("test",), work=tmp_path / "work", folder=tmp_path
    )
    rows = reach(settings)
    text = (tmp_path / "random_inverse_s3.csv").read_text().splitlines()
    assert len(text) == 3 and [row["arm"] for row in rows] == ["plan", "random"] and rows[0]["episodes"] == 2
    assert (tmp_path / "work" / "random_inverse_s3" / "view.safetensors").exists()


def test_pretraining_sees_the_plane_and_follows_the_seed():
    one, two = pretraining(0), pretraining(1)
    assert one.run.seed == 0 and replace(two, run=one.run) == one and one.data.hold == one.encoder.tubelet


def test_shipped_model_reaches_goals_in_worlds_that_no_figure_used():
    """Its card says 97 of 100 in test worlds; 40 validation worlds leave room for chance."""
    shipped = load_world(Path(__file__).parents[3] / "data_samples/checkpoints/reach")
    played = play(ARMS["restless"], WORLD, tasks("validation", 40), shipped, 5)
    assert summary(played, WORLD.radius)["reached"] >= 34
