"""Inverse kinematics comes back to the pose it was asked for, everywhere in the workspace."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from minijepa_robot.sim.kinematics import Kinematics, Unreachable, about, angles, matrix, rotation_vector, vector
from minijepa_robot.sim.scene import WORKSPACE, Scene, build
from minijepa_robot.sim.simulation import LIMITS
from tests.robot import needs

pytestmark = needs.simulation


@pytest.fixture(scope="module")
def kinematics():
    return Kinematics(build(Scene(cube=None, things=()), {}))


def test_solves_the_whole_workspace_with_turned_hands(kinematics):
    rng = np.random.default_rng(0)
    low, high = np.array(WORKSPACE)
    corners = [np.where(np.array(pick), high, low) for pick in np.ndindex(2, 2, 2)]
    for place in corners + list(rng.uniform(low, high, (40, 3))):
        turned = Rotation.from_euler("xyz", rng.uniform(-0.2, 0.2, 3)).as_matrix()
        here, rotation = kinematics.forward(kinematics.solve(place, turned))
        assert np.linalg.norm(here - place) < 1.5e-3
        assert np.linalg.norm(rotation_vector(rotation @ turned.T)) < 5e-3


def test_every_face_of_the_workspace_and_its_border_can_be_reached(kinematics):
    """Only nearer to the base than x = 0.31 m some places cannot be."""
    low, high = np.maximum(LIMITS[0], (0.31, -1, 0)), LIMITS[1]
    for place in np.stack(np.meshgrid(*np.linspace(low, high, 9).T), -1).reshape(-1, 3):
        kinematics.solve(place, np.eye(3))
    with pytest.raises(Unreachable):
        kinematics.solve(np.array((0.285, 0.0, 0.1)), np.eye(3))


def test_pointing_down_is_no_turn(kinematics):
    here, rotation = kinematics.forward(kinematics.solve(np.array((0.5, 0.1, 0.2)), np.eye(3)))
    np.testing.assert_allclose(rotation, np.eye(3), atol=5e-3)


def test_out_of_reach_is_named(kinematics):
    with pytest.raises(Unreachable, match="no posture.*mm.*keep to the workspace"):
        kinematics.solve(np.array((1.5, 0.0, 0.2)), np.eye(3))


def test_rotations_agree_with_scipy():
    rng = np.random.default_rng(1)
    for euler in rng.uniform(-1.5, 1.5, (20, 3)):
        reference = Rotation.from_euler("xyz", euler)
        np.testing.assert_allclose(matrix(euler), reference.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(angles(reference.as_matrix()), euler, atol=1e-9)
        np.testing.assert_allclose(rotation_vector(reference.as_matrix()), reference.as_rotvec(), atol=1e-9)
        np.testing.assert_allclose(about(reference.as_rotvec()), reference.as_matrix(), atol=1e-9)
    np.testing.assert_array_equal(about(np.zeros(3)), np.eye(3))


@pytest.mark.parametrize("bad", [[0.0] * 6, [[0.0] * 7], [0.0] * 6 + [float("nan")], [float("inf")] + [0.0] * 6])
def test_seven_finite_numbers_are_required(bad):
    with pytest.raises(ValueError, match="pose: expected 7 finite numbers"):
        vector(bad, "pose")
