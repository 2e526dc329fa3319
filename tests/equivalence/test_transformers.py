"""Our networks give the numbers of transformers' VJEPA2Model, which was shown equal to the official code, on the same weights.

float32, at most 1e-5 absolute. The widths of a head are those of the released models: 32 in the predictor, 64 in ViT-L and
ViT-g, 80 in ViT-H; and 88, which ViT-g would have with the head count that its shapes suggest.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from transformers import VJEPA2Model

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from tests.equivalence.official import pair

CLOSE = {"atol": 1e-5, "rtol": 0.0}
CROP, FRAMES = 64, 8  # a grid of 4 x 4 x 4 tokens
HEAD_WIDTHS = [32, 64, 80, 88]
Models = tuple[VJEPA2Model, VideoEncoder, MaskedPredictor]


@pytest.fixture(scope="module", params=HEAD_WIDTHS)
def models(request) -> Models:
    """Give both sides with two heads of this width in the encoder, three in the predictor."""
    width = request.param
    ratio = 48 / 11 if width == 88 else 4.0
    return pair(EncoderConfig(2 * width, 3, 2, ratio), PredictorConfig(2 * width, 3 * width, 3, 3, mask_tokens=3), CROP)


def clip(frames: int, crop: int = CROP, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, frames, crop, crop, generator=torch.Generator().manual_seed(1))


def ids(tokens: int, count: int, seed: int, batch: int = 2) -> Tensor:
    """Draw different ids in every row, in no order."""
    order = torch.rand(batch, tokens, generator=torch.Generator().manual_seed(seed)).argsort(1)
    return order[:, :count]


def their_kept(model: VJEPA2Model, video: Tensor, keep: Tensor) -> Tensor:
    """Encode kept tokens only: transformers' encoder cannot, but its layers take the positions of their tokens."""
    tokens = model.encoder.embeddings(video.transpose(1, 2))
    tokens = tokens.gather(1, keep[..., None].expand(-1, -1, tokens.shape[-1]))
    for layer in model.encoder.layer:
        tokens = layer(tokens, keep)
        tokens = tokens[0] if isinstance(tokens, tuple) else tokens
    return model.encoder.layernorm(tokens)


@torch.no_grad()
@pytest.mark.parametrize("frames", [2, 6, FRAMES, 16])
def test_the_encoder_at_several_clip_lengths(models, frames):
    theirs, encoder, _ = models
    video = clip(frames)
    expected = theirs(video.transpose(1, 2), skip_predictor=True).last_hidden_state
    assert expected.std() > 0.5
    assert_close(encoder(video), expected, **CLOSE)


@torch.no_grad()
def test_the_outputs_of_every_block(models):
    theirs, encoder, _ = models
    video = clip(FRAMES)
    states = theirs(video.transpose(1, 2), skip_predictor=True, output_hidden_states=True).hidden_states
    assert len(states) == 1 + encoder.config.depth  # what enters the first block, then what leaves each
    for state, found in zip(states[1:], encoder.layers(video, range(encoder.config.depth)), strict=True):
        assert_close(found, theirs.encoder.layernorm(state), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("kept", [1, 20, 64])
def test_kept_tokens(models, kept):
    theirs, encoder, _ = models
    video, keep = clip(FRAMES), ids(64, kept, seed=2)
    assert_close(encoder(video, keep), their_kept(theirs, video, keep), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("frames, seen, hidden", [(2, 4, 12), (FRAMES, 20, 44), (FRAMES, 1, 30), (FRAMES, 30, 50)])
def test_the_predictor_with_ids_in_any_order(models, frames, seen, hidden):
    theirs, encoder, predictor = models
    tokens = frames // 2 * 16
    video, context, targets = clip(frames), ids(tokens, seen, seed=3), ids(tokens, hidden, seed=4)
    output = theirs(video.transpose(1, 2), context_mask=[context], target_mask=[targets])
    features = encoder(video).gather(1, context[..., None].expand(-1, -1, encoder.config.width))
    found = predictor(features, context, targets, (frames // 2, 4, 4), mask_token=1)  # the one that transformers uses
    assert_close(found, output.predictor_output.last_hidden_state, **CLOSE)


@torch.no_grad()
def test_the_choice_of_mask_token_changes_the_prediction(models):
    _, encoder, predictor = models
    everything = torch.arange(64).expand(2, -1)
    found = [predictor(encoder(clip(FRAMES)), everything, everything, (4, 4, 4), i) for i in range(3)]
    assert (found[0] - found[1]).abs().max() > 0.1 and (found[1] - found[2]).abs().max() > 0.1


@pytest.mark.slow
@torch.no_grad()
def test_the_full_size_vit_l_and_its_predictor():
    config = EncoderConfig.vit_l()
    theirs, encoder, predictor = pair(config, PredictorConfig.released(config), crop=256)
    assert sum(p.numel() for p in encoder.parameters()) == 303_885_312
    assert sum(p.numel() for p in predictor.parameters()) == 22_086_016
    video, context, targets = clip(4, 256, batch=1), ids(512, 100, seed=3, batch=1), ids(512, 300, seed=4, batch=1)
    output = theirs(video.transpose(1, 2), context_mask=[context], target_mask=[targets])
    features = encoder(video)
    assert_close(features, output.last_hidden_state, **CLOSE)
    assert_close(encoder(video, context), their_kept(theirs, video, context), **CLOSE)
    found = predictor(features[:, context[0]], context, targets, (2, 16, 16), mask_token=1)
    assert_close(found, output.predictor_output.last_hidden_state, **CLOSE)
