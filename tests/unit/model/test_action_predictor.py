"""The action predictor: step by step or all at once, nothing leaks from the future, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from minijepa.config import ActionPredictorConfig
from minijepa.model.action_predictor import ActionPredictor
from tests.equivalence.golden import fill

GRID, STEPS = (2, 3), 4
AREA = GRID[0] * GRID[1]


def network(head: int = 32, extrinsics: bool = False, residual: bool = False) -> ActionPredictor:
    config = ActionPredictorConfig(24, 2 * head, 3, 2, extrinsics, residual, action_width=3)
    model = ActionPredictor(config).eval()
    fill(model, "ac")
    return model.requires_grad_(False)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sequence(extrinsics: bool = False, b: int = 2) -> list:
    shapes = (b, STEPS * AREA, 24), (b, STEPS, 3), (b, STEPS, 3)
    inputs = [noise(*shape, seed=i) for i, shape in enumerate(shapes)]
    return [*inputs, noise(b, STEPS, 6, seed=9) if extrinsics else None]


def part(inputs: list, start: int, stop: int) -> tuple:
    frames, actions, states, extrinsics = inputs
    camera = None if extrinsics is None else extrinsics[:, start:stop]
    return frames[:, start * AREA : stop * AREA], actions[:, start:stop], states[:, start:stop], camera


@pytest.mark.parametrize("extrinsics", [False, True])
@pytest.mark.parametrize("head", [32, 64])
@pytest.mark.parametrize("cuts", [(1, 2, 3), (2,), (3,)], ids=str)
def test_step_by_step_is_all_at_once(head, extrinsics, cuts):
    model, inputs = network(head, extrinsics), sequence(extrinsics)
    *whole, camera = inputs
    expected = model(*whole, GRID, camera)
    found, past = [], None
    for start, stop in zip((0, *cuts), (*cuts, STEPS)):
        *piece, seen = part(inputs, start, stop)
        tokens, past = model.step(*piece, GRID, past, seen)
        found.append(tokens)
    assert_close(torch.cat(found, dim=1), expected, atol=1e-5, rtol=0.0)
    assert expected.std() > 0.3 and all(keys.k.shape[2] == STEPS * (AREA + 2 + extrinsics) for keys in past)


@pytest.mark.parametrize("extrinsics", [False, True])
def test_steps_equal_the_released_mask(extrinsics):
    """One call with the released dense mask over all tokens gives what our calls by time step give."""
    model = network(extrinsics=extrinsics)
    *whole, camera = sequence(extrinsics)
    size = AREA + 2 + extrinsics
    step = torch.arange(STEPS * size) // size
    mask = step[:, None] >= step[None]
    found = []
    handle = model.predictor_norm.register_forward_pre_hook(lambda _, arguments: found.append(arguments[0]))
    model(*whole, GRID, camera)
    handle.remove()
    frames, actions, states = whole
    clues = [model.action_encoder(actions), model.state_encoder(states)]
    clues += [model.extrinsics_encoder(camera)] if extrinsics else []
    x = torch.cat((torch.stack(clues, 2), model.predictor_embed(frames).unflatten(1, (STEPS, -1))), 2)
    rotary = model._rotary(0, STEPS, len(clues), GRID, x)
    x = x.flatten(1, 2)
    for block in model.predictor_blocks:
        x = block(x, rotary, mask)
    assert_close(found[0], x.unflatten(1, (STEPS, size))[:, :, len(clues) :].flatten(1, 2), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("changed", range(STEPS))
@pytest.mark.parametrize("which", ["frames", "actions", "states", "extrinsics"])
def test_the_future_does_not_leak(changed, which):
    model, inputs = network(extrinsics=True), sequence(extrinsics=True)
    before = model(*inputs[:3], GRID, inputs[3]).unflatten(1, (STEPS, AREA))
    index = ["frames", "actions", "states", "extrinsics"].index(which)
    inputs[index] = inputs[index].clone()
    part(inputs, changed, changed + 1)[index].add_(1)
    after = model(*inputs[:3], GRID, inputs[3]).unflatten(1, (STEPS, AREA))
    moved = [not torch.equal(before[:, t], after[:, t]) for t in range(STEPS)]
    assert moved == [t >= changed for t in range(STEPS)]


def test_one_frame_for_many_actions():
    model = network()
    frame, (_, actions, states, _) = noise(1, AREA, 24), sequence(b=5)
    shared, _ = model.step(frame, actions[:, :1], states[:, :1], GRID)
    repeated, _ = model.step(frame.expand(5, -1, -1), actions[:, :1], states[:, :1], GRID)
    assert_close(shared, repeated, atol=1e-6, rtol=0.0)


def test_the_residual_form_adds_to_the_frame():
    inputs = sequence()[:3]
    plain, residual = network(), network(residual=True)
    assert_close(residual(*inputs, GRID), inputs[0] + plain(*inputs, GRID))


@pytest.mark.parametrize("form", ["tiled", "textbook"])
def test_the_form_of_positions_matters(form):
    model = network()
    other = ActionPredictor(replace(model.config, rope=form)).eval()
    other.load_state_dict(model.state_dict())
    inputs = sequence()[:3]
    assert torch.equal(model(*inputs, GRID), other(*inputs, GRID)) == (form == "tiled")


def test_recomputation_gives_the_same_gradient():
    model, inputs = network().requires_grad_(True).train(), sequence()[:3]
    gradients = []
    for model.recompute in (False, True):
        model.zero_grad()
        model(*inputs, GRID).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_released_size():
    with torch.device("meta"):
        model = ActionPredictor(ActionPredictorConfig.ac_vit_g())
    assert sum(p.numel() for p in model.parameters()) == 305_220_992
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    names = {name.split(".")[0] for name in model.state_dict()}
    encoders = {"action_encoder", "state_encoder", "extrinsics_encoder"}
    assert names == {"predictor_embed", "predictor_blocks", "predictor_norm", "predictor_proj"} | encoders


def test_bad_input_is_explained():
    model, (frames, actions, states, _) = network(), sequence()
    with pytest.raises(ValueError, match="same t, got"):
        model(frames, actions, states[:, :3], GRID)
    with pytest.raises(ValueError, match=r"actions and states \(b, t, 3\)"):
        model(frames, actions[..., :2], states[..., :2], GRID)
    with pytest.raises(ValueError, match="t·8, d"):
        model(frames, actions, states, (2, 4))
    with pytest.raises(ValueError, match="expected None"):
        model(frames, actions, states, GRID, noise(2, STEPS, 6))
    with pytest.raises(ValueError, match=r"expected \(b, 4, 6\), got None"):
        network(extrinsics=True)(frames, actions, states, GRID)
    with pytest.raises(ValueError, match=r"expected \(b, 4, 6\), got \(2, 3, 6\)"):
        network(extrinsics=True)(frames, actions, states, GRID, noise(2, 3, 6))
    with pytest.raises(ValueError, match="multiple of heads"):
        ActionPredictorConfig(24, 64, 1, 3)
