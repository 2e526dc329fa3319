"""A row of the sweep tells degrees, centimetres and shares; the table is written after each angle, in their order."""

import numpy as np
import torch

from minijepa_robot.act import sweep as sweeping
from minijepa_robot.act.camera import Calibration
from minijepa_robot.act.play import Played
from minijepa_robot.act.sweep import Sweep, row, sweep
from minijepa_robot.sim.tasks import Outcome

FOUND = Calibration(torch.tensor([[0.5, 1.0], [-1.0, 0.25]]), 38.26, 1.234, 0.0314, 0.0042)


def played(*done):
    return [Played(Outcome(one, "x", 0.01), one, 0.0, np.zeros((1, 7)), np.zeros((1, 3))) for one in done]


def test_a_row_says_what_was_measured():
    line = row(-40, 60, FOUND, {"before": played(True, False, False, False), "after": played(True, True, True, False)})
    assert (line["turn"], line["steps"], line["angle"], line["condition"]) == (-40, 60, 38.3, 1.23)
    assert (line["error_cm"], line["left_cm"]) == (3.14, 0.42)
    assert (line["episodes_before"], line["done_before"], line["success_before"]) == (4, 1, 0.25)
    assert (line["done_after"], line["success_after"]) == (3, 0.75)
    assert line["low_before"] < 0.25 < line["high_before"] < 0.75 and line["low_after"] < 0.75 < line["high_after"]
    assert [line[f"w{i}{j}"] for i in (0, 1) for j in (0, 1)] == [0.5, 1.0, -1.0, 0.25]


def test_the_table_grows_in_the_order_of_the_angles(tmp_path, monkeypatch):
    lengths = []

    def measure(world, turn, settings):
        file = tmp_path / "sweep_fixed_s7.csv"
        lengths.append(len(file.read_text().splitlines()) if file.exists() else 0)
        return {"turn": turn}

    monkeypatch.setattr(sweeping, "open_world", lambda path: None)
    monkeypatch.setattr(sweeping, "measure", measure)
    sweep(Sweep(seed=7, turns=(20, -40, 0), folder=tmp_path))
    assert lengths == [0, 2, 3]
    assert (tmp_path / "sweep_fixed_s7.csv").read_text().split() == ["turn", "-40", "0", "20"]
