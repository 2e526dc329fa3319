"""A network that is built on the meta device holds no memory, so that its size can be read before its weights are."""

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor


@pytest.mark.parametrize("build", [lambda: VideoEncoder(EncoderConfig.small()), lambda: MaskedPredictor(PredictorConfig())])
def test_all_parameters_stay_on_the_meta_device(build):
    with torch.device("meta"):
        network = build()
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
