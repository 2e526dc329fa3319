"""Every episode is kept: a film with the goal beside it, and a row that says how it ended."""

import csv

import numpy as np

from minijepa.data.video import decode
from minijepa_robot.act.evaluate import Evaluate, Out, evaluate
from minijepa_robot.sim.tasks import draw_tasks
from tests.robot import needs

pytestmark = needs.simulation


def test_every_episode_is_kept_with_its_goal_and_how_it_ended(tmp_path):
    evaluate(Evaluate(kinds=("reach",), arms=("random",), episodes=2, out=Out(tmp_path, tmp_path / "films")))
    table = list(csv.DictReader((tmp_path / "films" / "reach_random_s0.csv").open()))
    assert [row["film"] for row in table] == ["reach_random_s0_000.mp4", "reach_random_s0_001.mp4"]
    assert all(row["outcome"] == "short of the goal" and row["done"] == "0" and float(row["cm"]) > 4 for row in table)
    film = decode(tmp_path / "films" / table[1]["film"])
    assert film.shape == (3, 13, 128, 256)
    goal = draw_tasks("reach", 2, "test", size=64)[1].goal.pictures["side"]
    shown = film[:, 5, ::2, 128::2].permute(1, 2, 0).numpy()
    assert np.abs(shown.astype(int) - goal).mean() < 6  # what the codec changes
    assert (film[:, 0, :, :128] != film[:, -1, :, :128]).any()
