"""The counts from the config equal those of the network itself."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.show.cost import flops_by_part, parameters_by_part, tokens_of

ODD = EncoderConfig(40, 3, 2, mlp_ratio=2.5, patch=8, tubelet=4)


@pytest.mark.parametrize("config", [EncoderConfig.tiny(), ODD])
def test_counts_equal_the_network(config):
    with torch.device("meta"):  # there attention is counted; the counter does not know the CPU's fused kernel
        encoder = VideoEncoder(config)
        video = torch.zeros(1, 3, 8, 32, 48)
    n = tokens_of(config, 8, 32, 48)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert encoder(video).shape[1] == n
    assert sum(parameters_by_part(config).values()) == sum(p.numel() for p in encoder.parameters())
    assert sum(flops_by_part(config, n).values()) == counter.get_total_flops()


def test_released_sizes_have_the_official_counts():
    assert sum(parameters_by_part(EncoderConfig.vit_l()).values()) == 303_885_312
    assert sum(parameters_by_part(EncoderConfig.vit_h()).values()) == 631_648_000
    assert sum(parameters_by_part(EncoderConfig.vit_g()).values()) == 1_012_173_952
    assert tokens_of(EncoderConfig.vit_l(), 16, 256, 256) == 2048
