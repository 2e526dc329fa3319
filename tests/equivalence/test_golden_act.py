"""Acting gives the official code's numbers: the action-conditioned predictor, poses and a whole plan (stored outputs)."""

import json

import pytest
import torch
from torch.testing import assert_close

from minijepa.config import ActionPredictorConfig, EncoderConfig
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.plan.cem import CEM, PlanConfig, plan
from minijepa.plan.pose import advance, difference
from minijepa.plan.space import Group, franka
from minijepa.plan.world import LatentWorld
from tests.equivalence.golden import ARRAYS, case, data, fill, output

CLOSE = {"atol": 1e-5, "rtol": 0.0}


@pytest.fixture(scope="module")
def predictor() -> ActionPredictor:
    sizes = case("ac")
    model = ActionPredictor(ActionPredictorConfig(sizes["dim"], sizes["pdim"], sizes["depth"], sizes["heads"])).eval()
    fill(model, "ac")
    return model.requires_grad_(False)


def test_action_predictor(predictor):
    sizes = case("ac")
    side, t = sizes["size"] // 16, sizes["steps"]
    frames = data("devac/z", (2, t * side * side, sizes["dim"]))
    actions, states = data("devac/actions", (2, t, 7), 0.1), data("devac/states", (2, t, 7), 0.5)
    assert_close(predictor(frames, actions, states, (side, side)), output("ac/out"), **CLOSE)


def test_pose_after_an_action():
    pose = data("dev/pose", (64, 1, 7), 0.8)
    pose[..., -1] = pose[..., -1].abs().clamp(0, 1)
    found = advance(pose, data("dev/act", (64, 1, 7), 0.3))
    assert_close(found, output("pose/next"), **CLOSE)


def test_action_between_two_poses():
    pose = data("dev/pose", (64, 1, 7), 0.8)
    pose[..., -1] = pose[..., -1].abs().clamp(0, 1)
    assert_close(difference(pose[:, 0], data("dev/end", (64, 7), 0.8)), output("pose/diff"), **CLOSE)


@pytest.mark.parametrize("chunk", [1, 24, 64])
def test_the_released_plan_from_its_seed(predictor, chunk):
    """The planner's answer, and with it its noise, its clipping, its elites and its momenta, whatever the chunk."""
    settings = json.loads(bytes(ARRAYS["cem/meta"]))
    hand = Group((0, 1, 2), settings["maxnorm"], settings["maxnorm"], settings["momentum_mean"], settings["momentum_std"])
    method = CEM(settings["samples"], settings["cem_steps"], settings["topk"])
    config = PlanConfig(franka(hand), method, horizon=settings["rollout"], chunk=chunk)
    context, goal, pose = (output(f"cem/{name}")[0] for name in ("z0", "goal", "pose"))
    world = LatentWorld(VideoEncoder(EncoderConfig.tiny()), predictor, (4, 4))  # the stored plan starts from latents
    found = plan(world, context, pose, goal, config, torch.Generator().manual_seed(settings["seed"]))
    assert_close(found.actions, output("cem/plan"), **CLOSE)
    assert found.actions.abs().max() > 0.02, "a plan that does nothing would prove nothing"
