"""W* is found where moves determine it and refused where they do not; the walk stays on the table and tells true moves."""

import numpy as np
import pytest
import torch

from minijepa_robot.act.camera import calibrate, inferred_moves, walk
from minijepa_robot.learn.world import Seen
from minijepa_robot.sim.behave import LONGEST
from minijepa_robot.sim.scene import WORKSPACE, Scene
from minijepa_robot.sim.simulation import Simulation
from tests.robot import needs
from tests.robot.act.plane import Plane, turned


def moves(count=40):
    return 0.05 * torch.randn(count, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("degrees", [-120, -40, 0, 30, 90])
def test_a_known_turn_and_scale_are_found(degrees):
    true = moves()
    found = calibrate(1.5 * true @ turned(degrees), true)
    torch.testing.assert_close(found.matrix, turned(-degrees) / 1.5, atol=1e-5, rtol=0)
    assert found.angle == pytest.approx(-degrees, abs=1e-3) and found.condition == pytest.approx(1, abs=1e-4)
    assert found.left < 1e-6 < found.error


def test_a_stretch_is_told_by_the_condition():
    true = moves()
    found = calibrate(true * torch.tensor([1.0, 0.25]), true)
    assert found.condition == pytest.approx(4, abs=1e-3) and found.angle == pytest.approx(0, abs=1e-3)
    assert found.error == pytest.approx(float((0.75 * true[:, 1]).abs().mean() / 2), abs=1e-6)


@pytest.mark.parametrize("inferred", [moves(2), moves() * torch.tensor([1.0, 0.0]), moves()[:, :1] @ torch.ones(1, 2)])
def test_moves_that_do_not_span_the_plane_are_refused(inferred):
    with pytest.raises(ValueError, match="span the plane"):
        calibrate(inferred, moves(len(inferred)))


def test_the_moves_that_a_model_believes_in_lead_from_each_picture_to_the_next():
    places = torch.tensor([[0.40, 0.00], [0.45, 0.02], [0.43, -0.04], [0.48, -0.01]])
    seen = [Seen({}, torch.cat((place, torch.zeros(5)))[None]) for place in places]
    found = inferred_moves(Plane(90), seen, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found @ turned(90), places.diff(dim=0), atol=0.01, rtol=0)


@needs.simulation
def test_the_walk_stays_on_the_table_and_tells_true_moves():
    generator = torch.Generator().manual_seed(0)
    with Simulation(Scene(), size=64) as simulation:
        seen, true = walk(simulation, 25, generator)
        first = torch.cat([walk(simulation, 2, generator)[1] for _ in range(6)])  # too short to come to a border
    places = torch.cat([one.pose[:, :2] for one in seen])
    assert len(seen) == 26 and true.shape == (25, 2)
    torch.testing.assert_close(places[1:] - places[:-1], true, atol=1e-6, rtol=0)
    low, high = (torch.tensor(corner[:2]) for corner in WORKSPACE)
    assert ((places > low - 0.01) & (places < high + 0.01)).all()
    assert 0.02 < true.abs().mean() < LONGEST and np.linalg.matrix_rank(true) == 2
    assert (first > 0.01).any(0).all() and (first < -0.01).any(0).all()
