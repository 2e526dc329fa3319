"""Tasks start away from their goal, show what the script did, follow their seed, and are judged by what happened."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from minijepa_robot.sim import behave
from minijepa_robot.sim.scene import SIDE, WORKSPACE, Scene
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import CLOSE, FAR, Kind, Task, _displace, draw_tasks, start, success
from tests.robot import needs

pytestmark = needs.simulation
NAMES = {
    "reach": ["reached"],
    "grasp": ["above", "at", "closed"],
    "lift": ["above", "at", "closed", "lifted"],
    "reach with object": ["reached"],
    "pick and place": ["above", "at", "closed", "lifted", "over", "down", "placed"],
}
IDLE = torch.Generator()


@pytest.fixture(scope="module")
def tasks():
    return {kind: draw_tasks(kind, 3, size=32) for kind in get_args(Kind)}


def world_of(task):
    world = Simulation(task.scene, size=32)
    start(world, task)
    return world


def follow(world, moves):
    for move in moves:
        world.act(move.action)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_goals_have_names_pictures_and_step_counts(tasks, kind):
    for task in tasks[kind]:
        assert [goal.name for goal in task.goals] == NAMES[kind] and task.goal is task.goals[-1]
        for goal in task.goals:
            assert set(goal.pictures) == {"side", "wrist"} and 1 <= goal.steps <= behave.PATIENCE
            assert all(picture.shape == (32, 32, 3) and picture.dtype == np.uint8 for picture in goal.pictures.values())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_nothing_is_done_at_the_start(tasks, kind):
    for task in tasks[kind]:
        assert not success(world_of(task), task).done


@pytest.mark.parametrize("kind", ["reach", "reach with object"])
def test_reach_goals_are_far_and_in_the_workspace(kind):
    goals = []
    for task in draw_tasks(kind, 5, seed=3, size=16):
        goal, world = task.goal.pose[:3], world_of(task)
        assert np.linalg.norm(goal - world.pose[:3]) >= FAR - 0.01
        assert (goal >= np.array(WORKSPACE[0]) - 0.01).all() and (goal <= np.array(WORKSPACE[1]) + 0.01).all()
        goals.append(goal)
    assert (np.std(goals, 0) > 0.04).all()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_tracker_of_the_goal_poses_succeeds(tasks, kind):
    """The pictures were made in the same scene, so following the hand of the demonstration does it."""
    for task in tasks[kind]:
        world = world_of(task)
        held = kind == "reach with object"
        for goal in task.goals:
            closed = 1.0 if held or goal.name in ("closed", "lifted", "over", "down") else 0.0
            follow(world, behave.go(world, goal.pose[:3], closed, goal.name, IDLE))
            follow(world, behave.hold(world, closed, goal.name, 2))
        assert success(world, task).done, (kind, success(world, task))


def test_pictures_show_the_goal_state(tasks):
    task = tasks["reach"][0]
    world = Simulation(task.scene, size=32)
    world.reset(task.goal.pose, task.layout.objects)
    for camera, picture in task.goal.pictures.items():
        assert np.abs(world.picture(camera).astype(int) - picture).mean() < 2
    start(world, task)
    assert np.abs(world.picture("side").astype(int) - task.goal.pictures["side"]).mean() > 2


def test_displaced_cube_is_not_where_the_pictures_show_it():
    shifts = []
    for task in draw_tasks("lift", 6, size=16, displaced=True):
        place = task.layout.objects["cube"]
        shifts.append(np.linalg.norm(np.subtract(place, task.shown)[:2]))
        world = world_of(task)
        np.testing.assert_allclose(world.place()[:2], place[:2], atol=3e-3)
        np.testing.assert_allclose(task.goals[0].cube[:2], task.shown[:2], atol=3e-3)
        follow(world, behave.pick(world, IDLE))
        assert success(world, task).done  # the cube can still be lifted
    assert 0.025 <= min(shifts) and max(shifts) <= 0.05 and np.ptp(shifts) > 0.002


def test_displacement_fills_its_ring_and_keeps_to_where_cubes_lie():
    source = torch.Generator().manual_seed(0)
    layout = behave.Layout(np.array((0.5, 0, 0.2, 0, 0, 0, 0)), {"cube": (0.37, 0.19, 0.1)})
    task = Task("lift", Scene(), layout, (), (0.37, 0.19, 0.1))
    places = np.array([_displace(task, source).layout.objects["cube"][:2] for _ in range(200)])
    shifts = np.linalg.norm(places - (0.37, 0.19), axis=1)
    assert 0.025 <= shifts.min() < 0.03 and 0.045 < shifts.max() <= 0.05
    assert (places >= behave.CUBES[0]).all() and (places <= behave.CUBES[1]).all()


def test_same_seed_same_tasks_and_splits_differ():
    drawn = {split: draw_tasks("lift", 1, split, size=16)[0] for split in ("train", "validation", "test")}
    again = draw_tasks("lift", 2, "test", size=16)
    assert again[0].scene == drawn["test"].scene
    np.testing.assert_array_equal(again[0].goal.pictures["wrist"], drawn["test"].goal.pictures["wrist"])
    everyone = [*drawn.values(), again[1], draw_tasks("lift", 1, "test", seed=1, size=16)[0]]
    assert len({task.shown for task in everyone}) == 5


def test_goal_pictures_come_from_the_cameras_that_were_asked_for():
    plain = draw_tasks("reach", 1, size=32)[0]
    turned = draw_tasks("reach", 1, size=32, cameras={"side": SIDE.orbit(40), "front": SIDE})[0]
    assert set(turned.goal.pictures) == {"side", "front", "wrist"}
    np.testing.assert_array_equal(turned.goal.pictures["front"], plain.goal.pictures["side"])
    assert np.abs(turned.goal.pictures["side"].astype(int) - plain.goal.pictures["side"]).mean() > 3


def test_outcomes_are_named(tasks):
    task = tasks["pick and place"][0]
    world = world_of(task)
    assert success(world, task).name == "elsewhere"
    follow(world, behave.pick(world, IDLE))
    assert success(world, task).name == "gripper not open"
    follow(world, behave.put(world, task.goal.cube[:2], IDLE))
    assert success(world, task)[:2] == (True, "placed") and success(world, task).distance < CLOSE
    lift = replace(task, kind="lift")
    assert success(world, lift).name == "not held"
    world.reset((*task.goal.cube[:2], 0.022, 0, 0, 0, 0), {"cube": (*task.goal.cube[:2], 0.0)})
    follow(world, behave.hold(world, 1.0, "closed", 2))
    assert success(world, lift).name == "held, not lifted"
    assert success(world, replace(task, kind="grasp")).name == "held"
    reach = tasks["reach"][0]
    assert success(world_of(reach), reach).name == "short of the goal"
    carry = tasks["reach with object"][0]
    world = world_of(carry)
    assert success(world, carry).name == "short of the goal"
    follow(world, behave.hold(world, 0.0, "dropped", 2))
    assert success(world, carry).name == "dropped"


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="count >= 1"):
        draw_tasks("lift", 0)
    with pytest.raises(ValueError, match="expected a split"):
        draw_tasks("lift", 1, "holdout")
    with pytest.raises(ValueError, match="expected a kind"):
        draw_tasks("dance", 1)
