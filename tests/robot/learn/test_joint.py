"""The joint model learns where a square is from what moved it, resumes to the bit, and keeps its word on shapes."""

from dataclasses import replace

import pytest
import torch

from minijepa.study.landscape import spearman
from minijepa.train.pretrain import Run
from minijepa.train.schedule import LearningRate, Optimisation
from minijepa_robot.learn.joint import (
    Clip,
    InverseHead,
    JointConfig,
    JointModel,
    as_is,
    draw,
    scaled_poses,
    train_joint,
)
from minijepa_robot.learn.world import Seen, joint_world, load_joint, save_joint
from tests.unit.train.tiny import Stopped, stop_at


def squares(episodes=24, frames=9, views=("side",), seed=0):
    """A white square of 8 px, moved by actions of up to 7.5 cm; 1 px is 1 cm."""
    generator = torch.Generator().manual_seed(seed)
    places = 0.1 + 0.36 * torch.rand(episodes, 1, 2, generator=generator)
    moves = 0.15 * torch.rand(episodes, frames - 1, 2, generator=generator) - 0.075
    places = torch.cat((places, places + moves.cumsum(1)), 1).clamp(0.06, 0.56)
    video = torch.zeros(episodes, frames, 3, 64, 64, dtype=torch.uint8)
    for e in range(episodes):
        for f in range(frames):
            x, y = (100 * places[e, f]).long().tolist()
            video[e, f, :, y : y + 8, x : x + 8] = 255
    states = torch.cat((places, torch.zeros(episodes, frames, 5)), -1)
    actions = torch.cat((places.diff(dim=1), torch.zeros(episodes, frames - 1, 5)), -1)
    return Clip({view: video for view in views}, actions, states)


def config(steps=40, views=("side",), **changes):
    optim = Optimisation(steps, LearningRate(1e-4, 3e-3, 1e-4, 5, steps // 2), 0.04, clip=1.0)
    run = Run(seed=3, quiet=True, save_every=2, log_every=2)
    return replace(JointConfig(views, batch=12, optim=optim, run=run), **changes)


def test_learns_where_the_square_is():
    data, held_out = squares(60), squares(4, 25, seed=9)

    def rank(model):
        world = joint_world(model.eval())
        found = []
        for k in range(4):
            z = world.encode(Seen({"side": held_out.views["side"][k]}, held_out.states[k]))
            away = (held_out.states[k, :, :2] - held_out.states[k, 12, :2]).norm(dim=1)
            found.append(spearman(world.energy({"side": 1.0})(z, z[12:13]), away))
        return sum(found) / 4

    before = rank(JointModel(config()))
    after = rank(train_joint(config(80), data).model)
    assert after > 0.9 > before, (before, after)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    data = squares(6)
    whole = train_joint(config(6), data).model.state_dict()
    stopped = config(6, run=replace(config().run, folder=tmp_path))
    with pytest.raises(Stopped):
        train_joint(stopped, data, stop_at(4), every=2)
    resumed = train_joint(stopped, data).model.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    with pytest.raises(ValueError, match="expected the settings of the run"):
        train_joint(replace(stopped, batch=13), data)


def test_a_latent_holds_the_views_and_the_gripper():
    data = squares(2, views=("side", "wrist"))
    model = JointModel(config(views=("side", "wrist")))
    states = data.states.clone()
    states[..., 6] = 0.25
    z = model.encode(data.views, states)
    assert z.shape == (2, 9, 1, 65) and (z[..., -1] == 0.25).all()
    other = {"side": data.views["side"], "wrist": torch.zeros_like(data.views["wrist"])}
    changed = (model.encode(other, states) != z).flatten(0, 2).any(0)
    assert not changed[:32].any() and changed[32:64].any() and not changed[64]


def test_what_was_done_is_linear_in_the_difference_and_doubt_is_bounded():
    head = InverseHead(8, torch.Generator().manual_seed(0))
    a, b, c = torch.randn(3, 5, 8)
    torch.testing.assert_close(head(a, c)[0], head(a, b)[0] + head(b, c)[0])
    torch.testing.assert_close(head(a, b)[0], head(a + 7, b + 7)[0])
    head.doubt.bias.data.fill_(100.0)
    assert (head(a, b)[1] == 3).all()


def test_doubt_makes_a_wrong_answer_cheaper_and_a_right_one_dearer():
    data, model = squares(2), JointModel(config())
    clip = Clip({"side": data.views["side"][:, :4]}, data.actions[:, :3], data.states[:, :4])
    sure = model.losses(clip)["side inverse"]
    model.heads["side"].doubt.bias.data.fill_(0.5)  # log of the expected error: 1
    error = sure  # doubt 0: the mean error itself
    torch.testing.assert_close(model.losses(clip)["side inverse"], error * torch.exp(torch.tensor(-1.0)) + 1)


def test_a_camera_that_stands_anywhere_is_told_moves_in_its_own_frame():
    data = squares(2, views=("side", "wrist"))
    states = data.states[:1, :4] * 0
    states[0, 1:, 0] = 0.05  # one step along x of the base, then none
    camera = torch.tensor((1.0, 0.0, 0.5, 0.0, 0.0, torch.pi / 4)).expand(1, 4, 6)  # its x axis between x and y of the base
    clip = Clip({v: x[:1, :4] for v, x in data.views.items()}, data.actions[:1, :3], states, camera)
    model = JointModel(config(views=("side", "wrist"), extrinsics=True))
    for head in model.heads.values():
        head.moved.weight.data.zero_()
    losses = model.losses(clip)  # doubt 0 and no move told: the mean |move| over 6 pairs, 3 of which moved, and 7 channels
    torch.testing.assert_close(losses["wrist inverse"], torch.tensor(3 * 1.0 / 6 / 7))
    torch.testing.assert_close(losses["side inverse"], torch.tensor(3 * 2**0.5 / 6 / 7))


def test_the_place_of_the_camera_reaches_the_predictor(tmp_path):
    data, told = squares(6), config(4, extrinsics=True)
    camera = torch.randn(6, 9, 6, generator=torch.Generator().manual_seed(2))
    before = JointModel(told).predictor.extrinsics_encoder.weight
    trained = train_joint(told, data._replace(extrinsics=camera)).model
    assert not torch.equal(trained.predictor.extrinsics_encoder.weight, before)
    again = load_joint(save_joint(trained, tmp_path / "joint.safetensors"))
    assert again.predictor.config.extrinsics and not JointModel(config()).predictor.config.extrinsics


def test_draws_follow_the_step_and_the_seed():
    data = squares(5)
    one, same, other = draw(data, config(), 3), draw(data, config(), 3), draw(data, config(), 4)
    assert torch.equal(one.states, same.states) and not torch.equal(one.states, other.states)
    torch.testing.assert_close(one.states[:, :-1, :2] + one.actions[..., :2], one.states[:, 1:, :2])


def test_poses_do_not_jump_where_an_angle_passes_pi():
    just_below, just_above = torch.zeros(7), torch.zeros(7)
    just_below[3], just_above[3] = torch.pi - 1e-3, -torch.pi + 1e-3
    assert (scaled_poses(just_below) - scaled_poses(just_above)).abs().max() < 0.01
    assert as_is(just_below) is just_below


def test_comes_back_from_its_file(tmp_path):
    model = JointModel(config(views=("wrist",), width=16)).eval()
    again = load_joint(save_joint(model, tmp_path / "joint.safetensors"))
    assert again.config.views == ("wrist",) and again.config.width == 16
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
