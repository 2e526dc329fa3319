"""The loop: it gets there, it switches, it stops for a reason that has a name, and it can tell the story afterwards."""

import pytest
import torch
from torch.testing import assert_close

from minijepa.plan.control import SubGoal, control
from tests.unit.plan.point import PointRobot, PointWorld, seed, settings

FAR = torch.tensor([[1.6, -1.2]])


def test_it_gets_there_step_by_step():
    robot = PointRobot()
    episode = control(PointWorld(), robot, [SubGoal(FAR, 10, reached=0.03)], settings(), seed())
    assert episode.outcome == "reached" and episode.energy <= 0.03
    assert_close(robot.place, FAR, atol=0.06, rtol=0.0)
    assert 4 <= len(robot.done) == len(episode.decisions) < 10
    assert all(torch.equal(kept.action, done) for kept, done in zip(episode.decisions, robot.done))
    energies = [decision.energy for decision in episode.decisions]
    assert energies == sorted(energies, reverse=True) and energies[0] == pytest.approx(1.4)
    assert_close(episode.decisions[1].pose, robot.done[0][None])


def test_sub_goals_switch_at_their_times():
    places = [torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 1.0]])]
    robot = PointRobot()
    episode = control(PointWorld(), robot, [SubGoal(p, n) for p, n in zip(places, (3, 4, 2))], settings(), seed())
    assert [decision.sub_goal for decision in episode.decisions] == [0] * 3 + [1] * 4 + [2] * 2
    assert episode.outcome == "steps used up"
    assert_close(robot.place, places[-1], atol=0.1, rtol=0.0)


def test_sub_goals_switch_when_they_are_reached():
    places = [torch.tensor([[0.4, 0.0]]), torch.tensor([[0.4, 0.4]])]
    episode = control(PointWorld(), PointRobot(), [SubGoal(p, 9, reached=0.05) for p in places], settings(), seed())
    assert [decision.sub_goal for decision in episode.decisions] == [0, 1] and episode.outcome == "reached"


def test_replanning_mends_what_open_loop_does_not():
    """The robot slips by a fifth; only who looks again notices."""
    ends = {}
    for execute in (1, 4):
        robot, config = PointRobot(effect=lambda action: 0.8 * action), settings(4, execute=execute, when="sum")
        control(PointWorld(), robot, [SubGoal(FAR, 8 if execute == 1 else 4)], config, seed())
        ends[execute] = (robot.place - FAR).norm().item()
    assert ends[1] < 0.1 < 0.3 < ends[4]


def test_one_plan_serves_as_many_actions_as_it_was_told():
    episode = control(PointWorld(), PointRobot(), [SubGoal(FAR, 5)], settings(3, execute=2), seed())
    plans = [decision.plan for decision in episode.decisions]
    assert [next(i for i, other in enumerate(plans) if other is one) for one in plans] == [0, 0, 2, 2, 4]
    assert torch.equal(episode.decisions[1].action, plans[0].actions[1])


def test_a_goal_out_of_reach_is_given_up():
    wall = PointRobot(effect=lambda action: torch.tensor([[0.0, 1.0]]) * action)
    episode = control(PointWorld(), wall, [SubGoal(FAR, 50, reached=0.01, patience=4)], settings(), seed())
    assert episode.outcome == "no progress" and episode.energy > 0.5 and 5 < len(episode.decisions) < 30


def test_an_action_out_of_the_workspace_is_not_done():
    """The first action of the plan carried the robot further than planned, so the second would carry it out."""
    robot = PointRobot(effect=lambda action: 2 * action)
    config = settings(2, bounds=((-9.0, -9.0), (1.0, 9.0)), execute=2)
    episode = control(PointWorld(), robot, [SubGoal(torch.tensor([[0.9, 0.0]]), 20)], config, seed())
    assert episode.outcome == "outside the workspace"
    assert len(robot.done) == len(episode.decisions) - 1 and robot.place[0, 0] <= 1.0


def test_no_plan_is_an_outcome_with_a_reason():
    robot = PointRobot(place=(2.0, 0.0))
    episode = control(PointWorld(), robot, [SubGoal(FAR, 5)], settings(bounds=((-1.0, -1.0), (1.0, 1.0))), seed())
    assert episode.outcome == "no plan" and "move the robot back" in episode.why and not robot.done


def test_bad_input_is_an_error_and_not_an_outcome():
    with pytest.raises(ValueError, match="at least 1 step"):
        control(PointWorld(), PointRobot(), [], settings(), seed())
    with pytest.raises(ValueError, match=r"got \[3, 0\]"):
        control(PointWorld(), PointRobot(), [SubGoal(FAR, 3), SubGoal(FAR, 0)], settings(), seed())
    robot = PointRobot()
    with pytest.raises(ValueError, match="goal: expected finite"):
        control(PointWorld(), robot, [SubGoal(FAR * torch.nan, 3)], settings(), seed())
    assert not robot.done
