"""Pixel world models: patches come back as pictures, regression is the predictor itself, the flow ends where it is told."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from minijepa.model.action_predictor import ActionPredictor
from minijepa.plan.cem import CEM, PlanConfig, plan
from minijepa.plan.space import planar
from minijepa.study.pixel_world import (
    FlowWorld,
    PixelWorld,
    cut,
    denoise,
    euler,
    flow_loss,
    look,
    paste,
    patch_side,
    pixel_predictor,
    timed,
)

GRID = (2, 2)


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def pictures(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), generator=seed(), dtype=torch.uint8)


def network(flow: bool, silent: bool = False) -> ActionPredictor:
    """Return a small network with weights large enough to see; a silent one predicts that nothing changes."""
    predictor = ActionPredictor(pixel_predictor(width=24, flow=flow), seed()).eval()
    with torch.no_grad():
        for weight in predictor.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=seed(1)))
        if silent:
            predictor.predictor_proj.weight.zero_()
            predictor.predictor_proj.bias.zero_()
    return predictor.requires_grad_(False)


def moves(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(count, 2, generator=seed(number)) for number in (2, 3))


@pytest.mark.parametrize("patch", [8, 16])
def test_patches_come_back_as_the_same_pictures(patch):
    grid = (32 // patch,) * 2
    assert torch.equal(paste(cut(pictures(), patch), grid), pictures())


def test_patches_are_in_raster_order():
    frames = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    frames[:, :, :16, 16:] = 255  # upper right
    bright = cut(frames, 16)[0].mean(1)
    assert bright.argmax() == 1 and (bright[[0, 2, 3]] < 0).all()
    assert_close(cut(pictures(), 16).mean(), torch.tensor(0.0), atol=0.3, rtol=0.0)  # the scale of an encoder's input


def test_sides_that_the_patch_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of patch 12"):
        cut(pictures(), 12)


def test_regression_imagines_what_the_predictor_says():
    predictor = network(flow=False)
    model, start = PixelWorld(predictor, GRID), cut(pictures(), 16)
    actions, poses = moves()
    imagined, memory = model.step(start, actions, poses, None)
    assert_close(imagined, predictor(start, actions[:, None], poses[:, None], GRID))
    assert memory is None and not torch.allclose(imagined, start, atol=1e-2)
    one = start[:1].expand(3, -1, -1)  # as a planner gives it
    assert_close(model.step(one, actions, poses, None)[0], model.step(one.contiguous(), actions, poses, None)[0])
    assert torch.equal(model.encode(pictures()), start)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_flow_ends_at_the_picture_that_the_network_sees(steps):
    start = cut(pictures(), 16)
    drawn, memory = FlowWorld(network(flow=True, silent=True), GRID, steps).step(start, *moves(), None)
    assert_close(drawn, start, atol=1e-5, rtol=0.0)
    assert memory is None


def test_euler_walks_straight_to_a_picture_that_is_known_and_in_equal_steps():
    seen = []

    def read_out(noisy, tau):
        seen.append((float(noisy.mean()), tau))
        return torch.ones(1, 2, 3)

    assert_close(euler(read_out, torch.zeros(1, 2, 3), 4), torch.ones(1, 2, 3))
    assert_close(torch.tensor(seen), torch.tensor([(k / 4, k / 4) for k in range(4)]))
    with pytest.raises(ValueError, match="at least 1 step"):
        euler(read_out, torch.zeros(1, 2, 3), 0)


def test_samples_share_their_noise_and_the_action_makes_the_difference():
    start = cut(pictures(1), 16).expand(3, -1, -1)
    actions, poses = moves()
    actions[1], poses = actions[0], poses[:1].expand(3, -1)
    model = FlowWorld(network(flow=True), GRID, steps=1)
    first, second = (model.step(start, actions, poses, None)[0] for _ in range(2))
    assert_close(first[0], first[1])
    assert not torch.allclose(first[0], first[2], atol=1e-3)
    assert not torch.allclose(first, second, atol=1e-3)  # another draw
    assert torch.equal(first, FlowWorld(network(flow=True), GRID, steps=1).step(start, actions, poses, None)[0])


def test_what_is_read_once_is_what_the_whole_sequence_would_say():
    predictor, now = network(flow=True), cut(pictures(), 16)
    noisy, tau = torch.randn(now.shape, generator=seed(7)), torch.tensor([0.0, 0.3, 0.9])
    actions, poses = moves()
    found = denoise(predictor, noisy, (actions, poses, tau), GRID, now, look(predictor, now, poses, GRID))
    clean = torch.ones(3)
    did = torch.cat((timed(torch.zeros(3, 2), clean), timed(actions, tau)), 1)
    were = torch.cat((timed(poses, clean), timed(poses, tau)), 1)
    whole = predictor(torch.cat((now, noisy), 1), did, were, GRID)
    assert_close(found, now + whole[:, 4:])


def test_the_loss_is_that_of_the_picture_read_out():
    now, after = cut(pictures(2), 16).split(1)
    silent = flow_loss(network(flow=True, silent=True), now, after, tuple(m[:1] for m in moves()), GRID, seed())
    assert_close(silent, (now - after).square().mean())


def test_time_is_told_on_a_quarter_of_the_circle():
    assert_close(timed(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))[:, 0, 1:], torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


@pytest.mark.parametrize("flow", [False, True])
def test_the_planner_takes_pixel_worlds_as_they_are(flow):
    predictor = network(flow)
    model = FlowWorld(predictor, GRID, steps=2) if flow else PixelWorld(predictor, GRID)
    config = PlanConfig(planar(0.25), CEM(8, 2, 2))
    start, goal = model.encode(pictures(2)).split(1)
    found = plan(model, start, torch.zeros(1, 2), goal, config, seed())
    assert found.actions.shape == (1, 2) and found.trace[-1].energies.isfinite().all()


def test_patch_side_reads_the_width_back():
    assert [patch_side(replace(pixel_predictor(), encoder_width=3 * p * p)) for p in (4, 8, 16)] == [4, 8, 16]
