"""A row of the sweep tells degrees, centimetres and shares; the table is written after each angle, in their order."""

import numpy as np
import pytest
import torch

from minijepa.data.toy_physics import split_generator
from minijepa_robot.act import sweep as sweeping
from minijepa_robot.act.camera import Calibration, walk
from minijepa_robot.act.play import Played
from minijepa_robot.act.sweep import Sweep, measure, row, sweep, walked
from minijepa_robot.learn.joint import JointConfig, JointModel
from minijepa_robot.learn.world import joint_world
from minijepa_robot.sim.scene import SIDE, Scene
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import Outcome
from tests.robot import needs
from tests.robot.act.plane import Plane

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


@needs.simulation
def test_a_walk_before_the_camera_tells_how_a_models_idea_is_turned():
    world, camera = Plane(30), SIDE.orbit(40)
    found = walked(world, camera, 12, seed=3)
    assert found.angle == pytest.approx(30, abs=6) and found.left < 0.5 * found.error and len(world.seen) == 13
    generator = split_generator("validation", 3, 0)
    with Simulation(Scene.random(generator), {"side": camera}, size=64) as simulation:
        first = walk(simulation, 1, generator)[0][0]
    assert torch.equal(world.seen[0].views["side"], first.views["side"])


@needs.simulation
@pytest.mark.parametrize("told", [False, True])
def test_the_same_tasks_are_played_before_the_turned_camera_without_and_with_what_was_found(monkeypatch, told):
    camera, worlds, plays = SIDE.orbit(40), [], []

    def walked(world, *rest):
        worlds.append(world)
        return FOUND

    def play(task, arm, world, config, seed, setting):
        worlds.append(world)
        plays.append((task, arm, seed, setting))
        return played(setting.calibration is not None)[0]

    monkeypatch.setattr(sweeping, "walked", walked)
    monkeypatch.setattr(sweeping, "play", play)
    world = joint_world(JointModel(JointConfig(width=8, extrinsics=told)))
    line = measure(world, 40, Sweep(seed=2, steps=5, episodes=2))
    assert (line["turn"], line["steps"], line["done_before"], line["done_after"]) == (40, 5, 0, 2)

    tasks, arms, seeds, settings = zip(*plays)
    assert tasks[0] is tasks[2] and tasks[1] is tasks[3] and tasks[0] is not tasks[1]
    assert set(arms) == {"plan"} and seeds == (2000, 2001) * 2 and {setting.side for setting in settings} == {camera}
    assert [setting.calibration is FOUND.matrix for setting in settings] == [False, False, True, True]
    for told_of in worlds:
        assert (told_of.camera is not None) == told
        assert not told or np.allclose(told_of.camera, camera.extrinsics(), atol=1e-6)
    with Simulation(tasks[0].scene, {"side": camera}, size=64) as simulation:
        simulation.reset(tasks[0].goal.pose, tasks[0].layout.objects)
        apart = simulation.picture("side").astype(int) - tasks[0].goal.pictures["side"]
    assert tasks[0].kind == "reach" and np.abs(apart).mean() < 2
