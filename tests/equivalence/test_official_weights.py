"""Weights in the released layouts load into ours and compute what transformers computes; ours come back through transformers.

Full-size ViT-L with random weights, as an original ``.pt`` file and as a folder of transformers, and small networks whose heads
or widths are those of the other sizes: float32, at most 1e-5. ViT-H and ViT-g in full size: ``large.py`` (`make verify-large`).
"""

import pytest
import torch
from torch.testing import assert_close
from transformers import VJEPA2ForVideoClassification, VJEPA2Model

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import load, save_for_transformers
from tests.equivalence import released
from tests.equivalence.official import randomise

CROP = 64  # of the small ones


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write a ViT-L classifier with random weights in both released layouts; its 3 GB go when the tests are done."""
    written = released.write(tmp_path_factory.mktemp("vit_l"), EncoderConfig.vit_l(), "vitl.pt", "ssv2-vitl-16x2x3.pt")
    yield written
    written.delete()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["transformers", "original"])
def test_full_size_vit_l(large, layout):
    released.compare(large, released.load_parts(large, layout))


@pytest.mark.slow
def test_the_ema_encoder_is_the_default_of_an_original_file(large):
    ema, online = load(large.model), load(large.model, weights="online")
    assert_close(online.norm.bias - ema.norm.bias, torch.full((1024,), released.ONLINE_SHIFT), atol=1e-6, rtol=0)


@pytest.fixture(params=[(192, 3, 4.0), (160, 2, 4.0), (352, 4, 48 / 11)], ids=["heads 64", "heads 80", "heads 88"])
def small(request):
    """Give our networks of two layers with random weights: encoder, predictor, and a probe with the encoder's heads."""
    width, heads, ratio = request.param
    encoder = VideoEncoder(EncoderConfig(width, 2, heads, ratio))
    predictor = MaskedPredictor(PredictorConfig(width, 96, 2, 3, mask_tokens=3))
    networks = encoder, predictor, AttentiveProbe(width, heads, 4, 7)
    for seed, network in enumerate(networks):
        randomise(network.eval(), seed)
    return networks


@torch.no_grad()
def test_ours_come_back_through_transformers(small, tmp_path):
    encoder, predictor, probe = small
    folder = save_for_transformers(tmp_path / "ours", encoder, predictor, probe, crop=CROP)
    theirs, found = VJEPA2ForVideoClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    video, everything = released.clip(CROP), torch.arange(32)[None]
    tokens = encoder(video)
    output = theirs.eval().vjepa2(video.transpose(1, 2), context_mask=[everything[:, :9]], target_mask=[everything[:, 9:]])
    assert_close(output.last_hidden_state, tokens, **released.CLOSE)
    predicted = predictor(tokens[:, :9], everything[:, :9], everything[:, 9:], (2, 4, 4), mask_token=1)
    assert_close(output.predictor_output.last_hidden_state, predicted, **released.CLOSE)
    logits = theirs(video.transpose(1, 2)).logits
    assert_close(logits, probe(tokens), atol=1e-3, rtol=0)  # its norms have eps 1e-6 …
    released.released_pooler(theirs, probe.config.heads)
    assert_close(theirs(video.transpose(1, 2)).logits, probe(tokens), **released.CLOSE)  # … and with 1e-5 nothing is left


@torch.no_grad()
def test_a_folder_without_probe_is_a_plain_model(small, tmp_path):
    folder = save_for_transformers(tmp_path / "ours", *small[:2], crop=CROP)
    theirs, found = VJEPA2Model.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()) and theirs.config.num_attention_heads == small[0].config.heads
    again = theirs.save_pretrained(tmp_path / "theirs") or load(tmp_path / "theirs")
    assert again.config == small[0].config
    assert_close(again(released.clip(CROP)), small[0](released.clip(CROP)), atol=0, rtol=0)


@torch.no_grad()
def test_a_probe_on_the_width_of_vit_g_has_16_heads(tmp_path):
    """Written by transformers with 22 heads, read with the released 16: another function, and ours is the released one."""
    config = EncoderConfig(1408, 1, 22, 48 / 11)
    written = released.write(tmp_path, config, "vitg.pt", "ssv2-vitg-384-64x2x3.pt", classes=5, crop=32)
    probe, tokens = load(written.probe), written.expected["encoder"]
    assert probe.config.heads == 16
    assert_close(probe(tokens), written.expected["probe"], **released.CLOSE)
    as_is = VJEPA2ForVideoClassification.from_pretrained(written.folder)
    assert (as_is.classifier(as_is.pooler(tokens)) - probe(tokens)).abs().max() > 1e-2
    written.delete()  # pytest keeps the folders of three runs
