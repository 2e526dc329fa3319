"""Our networks give the official code's numbers on the same weights (facebookresearch/vjepa2, stored outputs)."""

import pytest
import torch
from torch.testing import assert_close

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from tests.equivalence.golden import case, data, fill, output

CLOSE = {"atol": 1e-5, "rtol": 0.0}


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    sizes = case("enc_hd64")
    model = VideoEncoder(EncoderConfig(sizes["dim"], sizes["depth"], sizes["heads"], sizes["ratio"])).eval()
    fill(model, "enc_hd64")
    return model


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    sizes = case("enc_hd64")
    return data("devenc_hd64/video", (2, 3, sizes["frames"], *sizes["size"]))


@torch.no_grad()
def test_encoder_full(encoder, video):
    assert_close(encoder(video), output("enc_hd64/out"), **CLOSE)


@torch.no_grad()
def test_encoder_with_kept_tokens(encoder, video):
    assert_close(encoder(video, output("enc_hd64/ids")), output("enc_hd64/out_masked"), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("mask_token", [0, 1])
def test_predictor(mask_token):
    sizes = case("pred")
    model = MaskedPredictor(PredictorConfig(sizes["dim"], sizes["pdim"], sizes["depth"], sizes["heads"], 2)).eval()
    fill(model, "pred")
    context = data("devpred/ctx", (2, 16, sizes["dim"]))
    ids = output("pred/ctx_ids"), output("pred/tgt_ids")
    assert_close(model(context, *ids, (4, 4, 4), mask_token), output(f"pred/out_token{mask_token}"), **CLOSE)
