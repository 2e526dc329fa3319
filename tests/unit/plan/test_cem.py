"""The planner: it finds what can be found, keeps to its regions, remembers what it did and refuses what makes no sense."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from minijepa.plan.cem import CEM, NOTEBOOK, PAPER, RELEASED_FUNCTION, RELEASED_WRAPPER, NoPlan, PlanConfig, plan
from minijepa.plan.rivals import MPPI, GradientDescent
from minijepa.plan.space import Group, franka
from tests.unit.plan.point import PointWorld, seed, settings

HERE, GOAL = torch.zeros(1, 2), torch.tensor([[0.3, -0.2]])
METHODS = [CEM(64, 8, 8), MPPI(64, 8, 64), MPPI(64, 8, 16), GradientDescent(8, 40)]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("horizon, distance, when", [(1, "l1", "last"), (1, "l2", "last"), (3, "l1", "last"), (3, "l2", "sum")])
def test_every_method_reaches_what_one_plan_can_reach(method, horizon, distance, when):
    config = settings(horizon, method=method, distance=distance, when=when)
    found = plan(PointWorld(), HERE, HERE, GOAL, config, seed())
    assert_close(found.actions.sum(0), GOAL[0], atol=0.05, rtol=0.0)
    if when == "sum":  # it pays to be there at the first step already
        assert_close(found.actions[0], GOAL[0], atol=0.07, rtol=0.0)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_goal_far_away_gets_the_longest_step_towards_it(method):
    far = torch.tensor([[4.0, -4.0]])
    found = plan(PointWorld(), HERE, HERE, far, settings(method=method), seed())
    assert_close(found.actions, torch.tensor([[0.5, -0.5]]), atol=0.05, rtol=0.0)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_same_seed_gives_the_same_plan_and_the_chunk_does_not_matter(method):
    first, again, chunked, other = (
        plan(PointWorld(), HERE, HERE, GOAL, settings(2, method=method, chunk=chunk), seed(number)).actions
        for chunk, number in ((8, 0), (8, 0), (3, 0), (8, 1))
    )
    assert torch.equal(first, again) and torch.equal(first, chunked) and not torch.equal(first, other)


def test_the_trace_tells_every_iteration():
    config = settings(2)
    found = plan(PointWorld(), HERE, HERE, GOAL, config, seed())
    assert len(found.trace) == 8
    for before, after in zip(found.trace, found.trace[1:]):
        best = after.actions[after.elites]
        assert_close(after.mean, 0.85 * best.mean(0) + 0.15 * before.mean)
        assert_close(after.std, 0.85 * best.std(0) + 0.15 * before.std)
        assert torch.equal(after.energies[after.elites], after.energies.sort().values[:8])
        assert_close(after.energies, (after.actions.sum(1) - GOAL).abs().mean(1))
    assert torch.equal(found.trace[-1].mean, found.actions)


def test_samples_go_through_the_world_in_chunks():
    sizes = []

    class Counting(PointWorld):
        def step(self, latent, action, pose, memory):
            sizes.append(len(action))
            return super().step(latent, action, pose, memory)

    plan(Counting(), HERE, HERE, GOAL, settings(2, method=CEM(20, 1, 4), chunk=8), seed())
    assert sizes == [8, 8, 8, 8, 4, 4]


def test_the_box_and_the_l1_ball():
    values = 0.3 * torch.randn(1000, 1, 7, generator=seed())
    box, ball = (franka(Group((0, 1, 2), 0.075, 1.0, region=region)).clip(values)[:, 0] for region in ("box", "l1_ball"))
    assert_close(box[:, :3], values[:, 0, :3].clamp(-0.075, 0.075))
    assert box.norm(dim=1).max() > 0.075 * 1.5  # the diagonal is longer than the radius that the paper names
    lengths = values[:, 0, :3].abs().sum(1)
    assert_close(ball[:, :3].abs().sum(1), lengths.clamp(max=0.075))
    assert_close(ball[:, :3] * lengths[:, None], values[:, 0, :3] * ball[:, :3].abs().sum(1, keepdim=True))
    assert ball[:, 6].abs().max() == 0.75 and torch.equal(ball[:, 3:6], values[:, 0, 3:6])


class ArmWorld(PointWorld):
    def step(self, latent, action, pose, memory):
        return latent + action, memory


@pytest.mark.parametrize("gripper, answer", [(0.1, 0.0), (0.6, 0.6), (-0.6, -0.6), (3.0, 0.75)])
def test_the_arm_neither_turns_nor_twitches(gripper, answer):
    goal = torch.tensor([[0.02, 0.03, -0.04, 0.0, 0.0, 0.0, gripper]])
    config = replace(RELEASED_FUNCTION, method=CEM(100, 12, 10))
    found = plan(ArmWorld(), torch.zeros(1, 7), torch.zeros(1, 7), goal, config, seed())
    assert torch.equal(found.actions[0, 3:6], torch.zeros(3))
    assert_close(found.actions[0, 6].item(), answer, atol=0.1, rtol=0.0)
    assert answer or found.actions[0, 6] == 0.0


def test_pinned_channels_stay_where_they_are():
    space = replace(franka(Group((0, 1, 2), 0.05, 0.05)), pins=((2, 0.01, 0), (6, 1.0, 1)))  # a height; the gripper closes
    found = plan(ArmWorld(), torch.zeros(1, 7), torch.zeros(1, 7), torch.ones(1, 7), PlanConfig(space, horizon=3), seed())
    assert_close(found.actions[:, 2], torch.full((3,), 0.01))
    assert_close(found.actions[1:, 6], torch.ones(2)) and found.actions[0, 6] <= 0.75
    assert all((step.actions[:, 1:, 6] == 1).all() for step in found.trace)


def test_the_presets_say_what_the_sheet_says():
    def numbers(config: PlanConfig) -> tuple:
        hand, method = config.space.groups[0], config.method
        momenta = hand.momentum_mean, hand.momentum_std
        return method.samples, method.iterations, method.elites, config.horizon, hand.limit, hand.std, *momenta, hand.region

    assert numbers(RELEASED_FUNCTION) == (100, 100, 10, 1, 0.05, 0.05, 0.25, 0.95, "box")
    assert numbers(RELEASED_WRAPPER) == (400, 10, 10, 2, 0.05, 0.05, 0.15, 0.15, "box")
    assert numbers(NOTEBOOK) == (25, 2, 10, 2, 0.075, 0.075, 0.15, 0.75, "box")
    assert numbers(PAPER)[:6] == (800, 10, 10, 1, 0.075, 1.0) and PAPER.space.groups[0].region == "l1_ball"
    for preset in (RELEASED_FUNCTION, RELEASED_WRAPPER, NOTEBOOK, PAPER):
        gripper = preset.space.groups[1]
        assert (gripper.limit, gripper.std, gripper.momentum_mean, gripper.momentum_std, gripper.dead_zone) == (
            0.75,
            1,
            0.15,
            0.15,
            0.25,
        )
        assert (preset.distance, preset.when) == ("l1", "last")


BOUNDS = ((-1.0, -1.0), (0.1, 1.0))


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_plans_stay_inside_the_workspace(method):
    config = settings(2, bounds=BOUNDS, method=method)
    found = plan(PointWorld(), HERE, HERE, torch.tensor([[2.0, 0.4]]), config, seed())
    poses = config.space.poses(HERE, found.actions[None])
    assert not config.space.outside(poses).any() and (poses[0, -1, 0] - 2).abs() + (poses[0, -1, 1] - 0.4).abs() < 2.3


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_no_plan_is_said_and_not_made_up(method):
    cage = ((-1e-4, -1e-4), (1e-4, 1e-4))
    with pytest.raises(NoPlan, match="inside the workspace"):
        plan(PointWorld(), HERE, HERE, GOAL, settings(bounds=cage, method=method), seed())
    with pytest.raises(NoPlan, match="move the robot back"):
        plan(PointWorld(), HERE + 2, HERE + 2, GOAL, settings(bounds=BOUNDS, method=method), seed())


@pytest.mark.parametrize("part", ["context", "goal", "pose"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_numbers_that_are_none_are_refused(part, value):
    inputs = {"context": HERE.clone(), "pose": HERE.clone(), "goal": GOAL.clone()}
    inputs[part][0, 1] = value
    with pytest.raises(ValueError, match=f"{part}: expected finite"):
        plan(PointWorld(), *inputs.values(), settings(), seed())


def test_a_world_model_that_returns_nan_is_refused():
    class Broken(PointWorld):
        def step(self, latent, action, pose, memory):
            return torch.where(action[:, :1] > 0, torch.nan, latent), None

    with pytest.raises(NoPlan, match="world model"):
        plan(Broken(), HERE, HERE, GOAL, settings(), seed())


def test_shapes_and_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"pose \(1, 2\), got .*\(1, 7\)"):
        plan(PointWorld(), HERE, torch.zeros(1, 7), GOAL, settings(), seed())
    with pytest.raises(ValueError, match="one shape"):
        plan(PointWorld(), HERE, HERE, torch.zeros(1, 3), settings(), seed())
    for wrong in ({"horizon": 0}, {"chunk": 0}, {"execute": 2}, {"execute": 0}):
        with pytest.raises(ValueError, match="expected 1 <= execute <= horizon"):
            settings(**wrong)
    for wrong in (CEM, MPPI):
        with pytest.raises(ValueError, match="two elites"):
            wrong(samples=10, elites=1)
        with pytest.raises(ValueError, match="elites <= samples"):
            wrong(samples=10, elites=11)
    with pytest.raises(ValueError, match="iterations >= 1"):
        CEM(iterations=0)
