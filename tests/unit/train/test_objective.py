"""The loss is what the docstring says, and its gradients go where they should."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import Future, Masks, Scattered, Tube
from minijepa.train.objective import ema_update, latent_loss, latent_targets, pixel_loss, pixel_targets, predict_hidden

GRID = (4, 4, 4)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def networks():
    generator = torch.Generator().manual_seed(0)
    encoder, teacher = (VideoEncoder(EncoderConfig.tiny(), generator) for _ in range(2))
    teacher.norm.weight.data.mul_(3)  # or the tokens are normalised already
    teacher.norm.bias.data.copy_(noise(64, seed=6))
    return encoder, MaskedPredictor(PredictorConfig.tiny(), generator), teacher


@pytest.fixture
def masks():
    generator = torch.Generator().manual_seed(1)
    return [mask.draw(GRID, 3, generator) for mask in (Tube(), Future())]


VIDEO = noise(3, 3, 8, 32, 32)


def test_loss_is_the_mean_over_masks_of_the_mean_error(networks, masks):
    encoder, predictor, teacher = networks
    tokens = teacher(VIDEO)
    targets = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = []
    for context, hidden in masks:
        guess = predictor(encoder(VIDEO, context), context, hidden, GRID)
        wanted = torch.stack([clip[ids] for clip, ids in zip(targets, hidden, strict=True)])
        expected.append((guess - wanted).abs().mean())
    assert latent_loss(*networks, VIDEO, masks).item() == pytest.approx(torch.stack(expected).mean().item(), abs=1e-6)


def test_gradients_reach_encoder_and_predictor_and_never_the_teacher(networks, masks):
    encoder, predictor, teacher = networks
    latent_loss(*networks, VIDEO, masks).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None and p.grad.abs().max() > 0 for n, p in encoder.named_parameters() if "weight" in n)
    unused = {"mask_tokens.1"}  # one clip length trains token 0 alone
    assert {name for name, p in predictor.named_parameters() if p.grad is None} == unused


def test_encoder_never_sees_what_it_must_guess(networks, masks):
    encoder, predictor, _ = networks
    changed = VIDEO.clone()
    changed[:, :, 4:] += 1  # the second half, which the future mask hides
    same = [predict_hidden(encoder, predictor, video, masks[1]) for video in (VIDEO, changed)]
    other = [predict_hidden(encoder, predictor, video, masks[0]) for video in (VIDEO, changed)]
    assert torch.equal(*same) and not torch.equal(*other)


def test_targets_have_unit_variance(networks):
    targets = latent_targets(networks[2], VIDEO)
    assert not targets.requires_grad
    assert targets.mean(-1).abs().max() < 1e-5
    assert (targets.var(-1, correction=0) - 1).abs().max() < 1e-3


def test_constant_prediction_scores_what_normal_targets_say(networks, masks):
    """A predictor that says 0 gets the mean |target|: 0.798 for normal latents."""
    encoder, predictor, teacher = networks
    for parameter in predictor.predictor_proj.parameters():
        parameter.data.zero_()
    targets = latent_targets(teacher, VIDEO)
    picked = [torch.stack([clip[ids] for clip, ids in zip(targets, mask.targets, strict=True)]).abs().mean() for mask in masks]
    loss = latent_loss(*networks, VIDEO, masks).item()
    assert loss == pytest.approx(torch.stack(picked).mean().item(), abs=1e-6) and 0.7 < loss < 0.9


def test_perfect_prediction_of_a_perfect_world_is_free(networks, masks):
    encoder, predictor, teacher = networks
    for network in (teacher, predictor):
        for parameter in network.parameters():
            parameter.data.zero_()
    assert latent_loss(*networks, VIDEO, masks) == 0


def test_pixel_targets_are_standardised_tubelets():
    targets = pixel_targets(VIDEO, 2, 8)
    assert targets.shape == (3, 64, 384)
    cut = VIDEO[1, :, 2:4, 8:16, 24:32].flatten()  # step 1, row 1, column 3
    wanted = (cut - cut.mean()) / (cut.var(correction=0) + 1e-5).sqrt()
    assert torch.allclose(targets[1, 16 + 4 + 3], wanted, atol=1e-5)


def test_pixel_loss_ignores_the_teacher(networks, masks):
    encoder, _, teacher = networks
    predictor = MaskedPredictor(replace(PredictorConfig.tiny(), output_width=384), torch.Generator().manual_seed(2))
    before = pixel_loss(encoder, predictor, teacher, VIDEO, masks)
    for parameter in teacher.parameters():
        parameter.data.zero_()
    assert pixel_loss(encoder, predictor, teacher, VIDEO, masks) == before
    before.backward()
    assert encoder.patch_embed.proj.weight.grad.abs().max() > 0


def test_pixel_loss_wants_a_predictor_of_pixels(networks, masks):
    with pytest.raises(ValueError, match="output_width=384"):
        pixel_loss(*networks, VIDEO, masks)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_ema_equals_the_formula(networks, momentum):
    encoder, _, teacher = networks
    wanted = [
        momentum * t.detach() + (1 - momentum) * s.detach()
        for t, s in zip(teacher.parameters(), encoder.parameters(), strict=True)
    ]
    ema_update(teacher, encoder, momentum)
    for found, expected in zip(teacher.parameters(), wanted, strict=True):
        assert torch.allclose(found, expected, atol=1e-7)


def test_order_of_targets_does_not_matter(networks):
    """Averages over tokens know no order; a permuted mask must give the same loss."""
    context, targets = Scattered().draw(GRID, 3, torch.Generator().manual_seed(3))
    order = torch.randperm(targets.shape[1], generator=torch.Generator().manual_seed(4))
    one = latent_loss(*networks, VIDEO, [Masks(context, targets)])
    two = latent_loss(*networks, VIDEO, [Masks(context, targets[:, order])])
    assert one.item() == pytest.approx(two.item(), abs=1e-6)


def test_layer_norm_is_the_one_of_torch(networks):
    tokens = networks[2](VIDEO)
    assert torch.allclose(latent_targets(networks[2], VIDEO), F.layer_norm(tokens, (64,)), atol=1e-6)
