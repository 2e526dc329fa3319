"""The simulated arm answers what the fault finder asks of a world."""

import numpy as np
import pytest
import torch

from minijepa.study.fault import World
from minijepa_robot.act.suspects import ArmUnderTest, guess
from minijepa_robot.sim.behave import LONGEST
from minijepa_robot.sim.simulation import Simulation
from tests.robot import needs

pytestmark = needs.simulation


@pytest.fixture(scope="module")
def arm():
    with Simulation(size=64) as simulation:
        yield ArmUnderTest(simulation)


def test_simulates_each_action_from_its_own_state(arm):
    assert isinstance(arm, World)
    arm.simulation.reset()
    start, actions = arm.here(), torch.zeros(2, 7)
    actions[0, 0], actions[1, 1] = 0.05, -0.05
    ends = arm.simulate(start.expand(2, -1), actions)
    moved = (ends[:, :3] - start[:, :3]).numpy()
    np.testing.assert_allclose(moved, [[0.05, 0, 0], [0, -0.05, 0]], atol=0.006)
    assert torch.equal(arm.simulate(start, actions[:1]), ends[:1])  # to the bit, whatever was done before
    np.testing.assert_allclose(arm.distance(ends, start), [0.05, 0.05], atol=0.006)


def test_sees_and_feels_the_state_that_it_is_given(arm):
    arm.simulation.reset()
    start = arm.here()
    after = arm.simulate(start, torch.tensor([[0.0, 0.0, 0.06, 0, 0, 0, 0.5]]))
    seen = arm.observe(torch.cat((start, after, start)))
    assert (seen.views["side"][0] == seen.views["side"][2]).all() and (seen.views["side"][0] != seen.views["side"][1]).any()
    torch.testing.assert_close(seen.pose[:, :3].double(), torch.cat((start, after, start))[:, :3], atol=1e-6, rtol=0)


def test_guesses_stay_within_a_step():
    moves = guess(50, torch.Generator().manual_seed(0))
    assert moves.shape == (50, 7) and 0.9 * LONGEST < moves[:, :3].abs().max() <= LONGEST and not moves[:, 3:].any()
