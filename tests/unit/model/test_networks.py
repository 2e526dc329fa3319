"""Encoder and predictor: which clips they take, what they refuse, and what checkpointing must not change."""

from dataclasses import replace

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor

TINY = EncoderConfig.tiny()
VIT_B, VIT_L, VIT_H, VIT_G = 86_236_416, 303_885_312, 631_648_000, 1_012_173_952


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    network = VideoEncoder(TINY, torch.Generator().manual_seed(0)).eval()
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def predictor() -> MaskedPredictor:
    network = MaskedPredictor(PredictorConfig.tiny(), torch.Generator().manual_seed(1)).eval()
    network.mask_tokens[0].data.copy_(noise(1, 1, 48, seed=9))
    return network.requires_grad_(False)


@pytest.mark.parametrize("grid", [(1, 1, 1), (1, 2, 5), (3, 4, 2), (9, 1, 3)], ids=str)
def test_any_number_of_frames_and_any_rectangle(encoder, predictor, grid):
    t, h, w = grid
    video = noise(2, 3, 2 * t, 8 * h, 8 * w)
    tokens = encoder(video)
    assert encoder.grid(video) == grid and tokens.shape == (2, t * h * w, 64)
    ids = torch.arange(t * h * w).expand(2, -1)
    assert predictor(tokens, ids, ids, grid).shape == tokens.shape


def test_tokens_come_in_raster_order(encoder):
    """A change in one tubelet reaches its own token before attention mixes them."""
    video = noise(1, 3, 4, 24, 16)  # grid 2, 3, 2
    changed = video.clone()
    changed[:, :, 2:4, 16:24, 0:8] += 1  # step 1, row 2, column 0
    moved = (encoder.patch_embed(video) != encoder.patch_embed(changed)).any(-1)[0]
    assert moved.nonzero().flatten().tolist() == [1 * 6 + 2 * 2 + 0]


def test_kept_tokens_see_each_other_alone(encoder):
    video = noise(2, 3, 8, 32, 32)
    keep = torch.tensor([[3, 17, 40], [0, 1, 63]])
    tokens = encoder(video, keep)
    assert tokens.shape == (2, 3, 64)
    hidden = video.clone()
    hidden[0, :, 6:] = 5  # ids 48 and above, none of which the first clip keeps
    assert torch.equal(encoder(hidden, keep)[0], tokens[0])
    shuffled = encoder(video, keep[:, [2, 0, 1]])
    assert torch.allclose(shuffled, tokens[:, [2, 0, 1]], atol=1e-6)
    everything = torch.arange(64).expand(2, -1)
    assert torch.allclose(encoder(video, everything), encoder(video), atol=1e-6)


def test_image_is_a_still_clip(encoder):
    image = noise(2, 3, 32, 32)
    still = image[:, :, None].repeat(1, 1, 2, 1, 1)
    for form in (image, image[:, :, None]):
        assert torch.equal(encoder(form), encoder(still))


def test_layers_share_the_final_norm(encoder):
    video = noise(2, 3, 8, 32, 32)
    outputs = encoder.layers(video, [0, 2])
    assert torch.equal(outputs[1], encoder(video)) and not torch.allclose(outputs[0], outputs[1])
    for tokens in outputs:  # weight 1 and bias 0 at the start, so each token is standardised
        assert tokens.mean(-1).abs().max() < 1e-5 and (tokens.var(-1, correction=0) - 1).abs().max() < 1e-2
    assert torch.equal(encoder.layers(video, [2, 0])[1], outputs[0]), "the order asked for is the order given"


@pytest.mark.parametrize(
    "shape, words",
    [
        ((2, 3, 7, 32, 32), "multiple of 2"),
        ((2, 3, 8, 30, 32), "multiples"),
        ((2, 3, 8, 32, 33), "multiples"),
        ((2, 1, 8, 32, 32), r"\(b, 3, frames, height, width\)"),
        ((2, 8, 3, 32, 32), r"\(b, 3, frames, height, width\)"),
        ((2, 3, 8, 0, 32), "multiples"),
    ],
)
def test_encoder_refuses_shapes(encoder, shape, words):
    with pytest.raises(ValueError, match=words) as caught:
        encoder(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_raw_pixels_are_sent_to_normalize(encoder):
    from minijepa.model.encoder import as_clip

    with pytest.raises(ValueError, match="normalize"):
        as_clip(torch.zeros(2, 3, 8, 32, 32, dtype=torch.uint8), 2)


@pytest.mark.parametrize("ids, words", [([[0, 64]], "got 0 to 64"), ([[-1, 3]], "got -1 to 3")])
def test_ids_outside_the_grid_are_refused(encoder, predictor, ids, words):
    ids = torch.tensor(ids)
    with pytest.raises(ValueError, match=f"0 to 63.*{words}"):
        encoder(noise(1, 3, 8, 32, 32), ids)
    fine = torch.tensor([[1, 2]])
    for context_ids, target_ids in ((ids, fine), (fine, ids)):
        with pytest.raises(ValueError, match=words):
            predictor(noise(1, 2, 64), context_ids, target_ids, (4, 4, 4))


def test_mask_token_that_does_not_exist(predictor):
    ids = torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match="0 to 1, got 2"):
        predictor(noise(1, 2, 64), ids, ids, (4, 4, 4), mask_token=2)


def test_predictor_gives_targets_in_their_order(predictor):
    context, context_ids = noise(2, 5, 64), torch.tensor([[0, 9, 3, 20, 40]] * 2)
    targets = torch.tensor([[50, 1, 33], [60, 2, 5]])
    order = torch.tensor([2, 0, 1])
    straight = predictor(context, context_ids, targets, (4, 4, 4))
    assert torch.allclose(predictor(context, context_ids, targets[:, order], (4, 4, 4)), straight[:, order], atol=1e-6)
    mixed = predictor(context[:, [4, 3, 2, 1, 0]], context_ids[:, [4, 3, 2, 1, 0]], targets, (4, 4, 4))
    assert torch.allclose(mixed, straight, atol=1e-6)
    assert not torch.allclose(predictor(context, context_ids, targets, (16, 2, 2)), straight), "the grid does not matter"


def test_pixels_need_another_output_width():
    wide = MaskedPredictor(replace(PredictorConfig.tiny(), output_width=384), torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, 2]])
    assert wide(noise(1, 2, 64), ids, ids, (4, 4, 4)).shape == (1, 2, 384)


def test_checkpointing_changes_no_gradient():
    gradients = []
    for recompute in (False, True):
        generator = torch.Generator().manual_seed(0)
        encoder, predictor = VideoEncoder(TINY, generator), MaskedPredictor(PredictorConfig.tiny(), generator)
        encoder.recompute = predictor.recompute = recompute
        ids, targets = torch.tensor([[0, 5, 40]]), torch.tensor([[7, 8]])
        guess = predictor(encoder.train()(noise(1, 3, 8, 32, 32), ids), ids, targets, (4, 4, 4))
        guess.square().sum().backward()
        gradients.append([p.grad for network in (encoder, predictor) for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) > 40
    assert all(torch.equal(one, two) for one, two in zip(*gradients, strict=True))


def test_checkpointing_really_recomputes():
    encoder = VideoEncoder(TINY, torch.Generator().manual_seed(0)).train()
    calls = []
    encoder.blocks[1].register_forward_pre_hook(lambda *_: calls.append(1))
    for recompute, expected in ((False, 1), (True, 2)):
        encoder.recompute = recompute
        calls.clear()
        encoder(noise(1, 3, 8, 32, 32)).sum().backward()
        assert len(calls) == expected


@pytest.mark.parametrize("config", [dict(width=60, heads=7), dict(width=8, heads=2), dict(width=64, heads=0)])
def test_heads_that_do_not_divide_the_width(config):
    with pytest.raises(ValueError, match="multiple of heads"):
        EncoderConfig(depth=1, **config)


@pytest.mark.parametrize(
    "preset, count", [("vit_b", VIT_B), ("vit_l", VIT_L), ("vit_h", VIT_H), ("vit_g", VIT_G), ("vit_g_384", VIT_G)]
)
def test_presets_have_the_official_sizes(preset, count):
    with torch.device("meta"):
        network = VideoEncoder(getattr(EncoderConfig, preset)())
    assert sum(p.numel() for p in network.parameters()) == count


def test_released_predictor_has_the_official_size():
    for config, count in (
        (EncoderConfig.vit_l(), 22_086_016),
        (EncoderConfig.vit_h(), 22_282_880),
        (EncoderConfig.vit_g(), 22_381_312),
    ):
        with torch.device("meta"):
            network = MaskedPredictor(PredictorConfig.released(config))
        assert sum(p.numel() for p in network.parameters()) == count
