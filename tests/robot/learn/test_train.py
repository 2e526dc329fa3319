"""The commands refuse data that cannot teach what they are asked to teach."""

from types import SimpleNamespace

import pytest
import torch

from minijepa_robot.learn import train
from minijepa_robot.learn.joint import JointConfig, JointModel
from minijepa_robot.learn.world import save_joint


@pytest.fixture
def without_a_place(monkeypatch):
    """Three episodes of two moments; nobody wrote down where the camera of the last one stood."""
    places = torch.zeros(3, 2, 6)
    places[2] = torch.nan
    arrays = SimpleNamespace(
        views={"side": torch.zeros(3, 2, 3, 64, 64, dtype=torch.uint8)},
        commands=torch.zeros(3, 2, 7),
        states=torch.zeros(3, 2, 7),
        extrinsics={"side": places},
    )
    monkeypatch.setattr(train, "load_arrays", lambda *_, **__: arrays)


def test_a_model_that_is_told_needs_the_place_of_its_camera(without_a_place, tmp_path):
    told = train.Joint(tmp_path / "data", tmp_path, cameras=("side",), extrinsics=True)
    with pytest.raises(ValueError, match="place of the camera side .* got none in 1 of 3; leave --extrinsics out"):
        train.joint(told)
    model = save_joint(JointModel(JointConfig(("side",))), tmp_path / "joint.safetensors")
    with pytest.raises(ValueError, match="got none in 1 of 3"):
        train.again(train.Again(tmp_path / "data", model, tmp_path, extrinsics=True))
    assert train.recorded(tmp_path, ("side",)).states.shape == (3, 2, 7)
