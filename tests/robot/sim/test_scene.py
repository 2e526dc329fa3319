"""Scenes hold what was asked for, cameras look where they were told, and the arm is the light one."""

import importlib.util
from math import cos, radians, sin

import numpy as np
import pytest
import torch

from minijepa.plan.pose import rotation
from minijepa_robot.sim.scene import MIDDLE, SIDE, WORKSPACE, Camera, Scene, build
from minijepa_robot.sim.things import THINGS, Thing
from tests.robot import needs

pytestmark = needs.simulation


def names(model):
    return {model.body(i).name for i in range(model.nbody)}


def test_model_is_light_and_has_its_cameras():
    model = build(Scene(), {"side": SIDE, "other": SIDE.orbit(40)})
    assert model.nmesh == 10 and model.mesh_facenum.sum() < 4_000
    assert {model.camera(i).name for i in range(model.ncam)} == {"side", "other", "wrist"}
    assert model.light_castshadow.sum() == 0 and model.vis.quality.offsamples == 0


def test_what_is_not_wanted_is_left_out():
    assert {"cube", "cup", "tray", "box"} <= names(build(Scene(), {}))
    bare = build(Scene(cube=None, things=()), {})
    assert not {"cube", "cup", "tray", "box"} & names(bare) and bare.nq == 9


def test_random_scene_follows_its_generator():
    first, again, other = (Scene.random(torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert first == again and first != other
    many = [Scene.random(torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert {len(scene.things) for scene in many} == {0, 1, 2, 3}
    assert np.std([scene.table for scene in many]) > 0.05


def test_things_stand_clear_of_the_hand():
    """The hand is 20 cm wide along y and 6 cm along x; the middle of a thing stays at least as far out as it reaches."""
    (low, high), reach = np.array(WORKSPACE), {"cup": 0.04, "tray": 0.08, "box": 0.045}
    for seed in range(50):
        for thing in Scene.random(torch.Generator().manual_seed(seed)).things:
            x, y, _ = thing.place
            beside = max(low[1] - y, y - high[1]) - reach[thing.kind]
            before = x - high[0] - reach[thing.kind]
            assert max(beside, before) > 0.03, thing


def test_camera_orbits_the_middle_of_the_workspace():
    turned = Camera((MIDDLE[0] + 1, 0.0, 0.5)).orbit(30)
    np.testing.assert_allclose(turned.position, (MIDDLE[0] + cos(radians(30)), sin(radians(30)), 0.5), atol=1e-12)
    assert turned.target == MIDDLE
    np.testing.assert_allclose(SIDE.orbit(40).orbit(-40).position, SIDE.position, atol=1e-12)


def test_extrinsics_have_z_forwards_and_y_down():
    found = SIDE.extrinsics()
    matrix = rotation(torch.from_numpy(found[3:])).numpy()
    forwards = np.subtract(SIDE.target, SIDE.position)
    np.testing.assert_allclose(found[:3], SIDE.position)
    np.testing.assert_allclose(matrix[:, 2], forwards / np.linalg.norm(forwards), atol=1e-12)
    assert matrix[2, 1] < -0.5 and abs(matrix[2, 0]) < 1e-12  # the picture's y points down, its x lies level


def test_side_camera_sees_fingers_and_hand_everywhere_in_the_workspace():
    low, high = np.array(WORKSPACE)
    corners = np.array([np.where(np.array(pick), high, low) for pick in np.ndindex(2, 2, 2)])
    hand = np.concatenate([corners + (0, dy, dz) for dy in (-0.1, 0.1) for dz in (-0.01, 0.14)])
    x, y, z = ((hand - SIDE.position) @ SIDE.rotation()).T
    assert (z < 0).all() and np.abs(np.stack((x, y)) / -z).max() < np.tan(radians(SIDE.fovy / 2))


def test_bad_cameras_and_scenes_are_refused():
    with pytest.raises(ValueError, match="straight above"):
        Camera((0.5, 0.0, 1.0), (0.5, 0.0, 0.0))
    with pytest.raises(ValueError, match="names other than 'wrist'"):
        build(Scene(), {"wrist": SIDE})
    with pytest.raises(ValueError, match="at most once"):
        Scene(things=THINGS[:1] * 2)
    with pytest.raises(ValueError, match="cup, tray or box"):
        Thing("spoon", (0, 0, 0), (0, 0, 0))


def test_missing_meshes_name_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"franky-sim.*minijepa\[robot\]"):
        build(Scene(), {})
