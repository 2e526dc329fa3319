"""Stages are followed in order, ways are relative where they should be, and every arm acts as many times as the plan says."""

import numpy as np
import pytest
import torch

from minijepa.plan.control import Robot
from minijepa_robot.act.oracle import TrueDynamics
from minijepa_robot.act.play import (
    DISPLACED,
    STAGES,
    Setting,
    SimulatedRobot,
    Stage,
    arm_space,
    planner,
    play,
    total,
    wanted,
)
from minijepa_robot.act.seeing import goal_seen, look
from minijepa_robot.learn.joint import JointConfig, JointModel
from minijepa_robot.learn.world import joint_world
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import draw_tasks, start
from tests.robot import needs

pytestmark = needs.simulation


@pytest.fixture(scope="module")
def tasks():
    return {kind: draw_tasks(kind, 1, "validation", size=64)[0] for kind in ("reach", "lift")}


@pytest.fixture(scope="module")
def world():
    return joint_world(JointModel(JointConfig()).requires_grad_(False))


@pytest.mark.parametrize("arm, done", [("expert", True), ("tracker", True), ("random", False)])
def test_ways_without_a_model(tasks, arm, done):
    for task in tasks.values():
        played = play(task, arm, None, planner(), seed=0)
        assert played.outcome.done is done, played.outcome
        assert len(played.track) == total(STAGES[task.kind]) + 1 and played.seconds == 0


def test_a_tracker_of_the_pictures_misses_a_cube_that_stands_elsewhere():
    missed = [
        play(task, "tracker", None, planner(), 0) for task in draw_tasks("lift", 4, "validation", size=64, displaced=True)
    ]
    assert sum(one.outcome.done for one in missed) <= 1


def test_a_plan_keeps_its_decisions_and_films_when_asked(tasks, world):
    setting = Setting((Stage("above", 2, {"side": 1.0}), Stage("at", 1, {"wrist": 1.0})), film=32)
    played = play(tasks["lift"], "plan", world, planner(8, 1), 3, setting)
    assert len(played.decisions) == 3 and len(played.film) == 4 and played.film[0].shape == (32, 32, 3)
    again = play(tasks["lift"], "plan", world, planner(8, 1), 3, setting)
    np.testing.assert_array_equal(played.track, again.track)
    one = play(tasks["lift"], "one picture", world, planner(8, 1), 3, setting)
    assert len(one.decisions) == 3


def test_true_dynamics_see_what_an_action_leads_to_and_leave_the_simulation_where_it_was(tasks, world):
    task, actions = tasks["reach"], 0.05 * torch.eye(7)[:3]
    with Simulation(task.scene, size=64) as simulation:
        start(simulation, task)
        before, true = simulation.state(), TrueDynamics(world, simulation)
        now = world.encode(look(simulation))
        imagined, memory = true.step(now, actions, torch.zeros(3, 7), None)
        np.testing.assert_array_equal(simulation.state().physics, before.physics)
        simulation.act(actions[1].double().numpy())
        torch.testing.assert_close(world.encode(look(simulation)), imagined[1:2])
        with pytest.raises(ValueError, match="horizon 1"):
            true.step(now, actions, torch.zeros(3, 7), memory)
    played = play(task, "true dynamics", world, planner(4, 1), 0, Setting((Stage("reached", 2, {"side": 1.0}),)))
    assert len(played.decisions) == 2


def test_a_way_is_what_is_seen_plus_what_the_pictures_change(tasks, world):
    task = tasks["lift"]
    goals = {goal.name: goal for goal in task.goals}
    with Simulation(task.scene, size=64) as simulation:
        start(simulation, task)
        robot = SimulatedRobot(simulation, task)
        assert isinstance(robot, Robot)
        here = world.encode(robot.observe()[0])
        above, at = (world.encode(goal_seen(goals[name])) for name in ("above", "at"))
        torch.testing.assert_close(wanted(world, robot, goals["at"], None), at)
        moved = wanted(world, robot, goals["at"], goals["above"])
        torch.testing.assert_close(moved[..., :-1], (here + at - above)[..., :-1])
        torch.testing.assert_close(moved[..., -1], at[..., -1])


def test_calibration_turns_what_is_done_and_nothing_else(tasks):
    task, quarter = tasks["reach"], torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    with Simulation(task.scene, size=64) as simulation:
        ends = []
        for calibration in (None, quarter):
            start(simulation, task)
            robot = SimulatedRobot(simulation, task, calibration=calibration)
            begin = simulation.command
            robot.act(torch.tensor([0.02, 0.0, 0.01, 0, 0, 0, 0]))
            ends.append(simulation.command - begin)
    np.testing.assert_allclose(ends[0][:3], (0.02, 0.0, 0.01), atol=1e-6)
    np.testing.assert_allclose(ends[1][:3], (0.0, 0.02, 0.01), atol=1e-6)


def test_the_gripper_ignores_small_changes_and_the_hand_does_not_turn():
    space = arm_space()
    assert space.row("dead_zone")[6] == 0.25 and space.row("std")[3:6].tolist() == [0, 0, 0]
    assert space.clip(torch.ones(1, 1, 7))[0, 0, :3].tolist() == pytest.approx([0.075] * 3)


def test_stages_name_goals_that_the_tasks_have(tasks):
    assert {stage.goal for stage in (*STAGES["lift"], *DISPLACED)} <= {goal.name for goal in tasks["lift"].goals}
