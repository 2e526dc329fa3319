"""The counts equal what torch measures on small networks, to the last byte and operation."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.cost import (
    BF16_GPU,
    FLOAT32,
    Precision,
    Seen,
    block_flops,
    block_saved,
    draw_seen,
    encoder_saved,
    mean_seen,
    parameters,
    step_flops,
    step_saved,
)
from minijepa.train.masks import SHORT_RANGE, Tube
from minijepa.train.objective import latent_loss

ENCODER, PREDICTOR = EncoderConfig(64, 3, 2, patch=8), PredictorConfig(64, 48, 3, 4)
CLIPS = 3  # of two, a matrix of tokens would have the shape of a weight


class Small:
    """A step of small networks on a few clips of 8 frames of 64 px: 256 tokens."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.video = torch.randn(CLIPS, 3, 8, 64, 64, generator=generator)
        self.encoder, self.predictor = VideoEncoder(ENCODER, generator), MaskedPredictor(PREDICTOR, generator)
        self.teacher = VideoEncoder(ENCODER, generator).requires_grad_(False)
        self.masks = [mask.draw((4, 8, 8), CLIPS, generator) for mask in (SHORT_RANGE, Tube())]
        self.seen = [Seen(mask.context.shape[1], mask.targets.shape[1]) for mask in self.masks]

    def loss(self) -> torch.Tensor:
        return latent_loss(self.encoder, self.predictor, self.teacher, self.video, self.masks)

    def saved_bytes(self, bf16: bool) -> int:
        """Add up the memory behind all tensors that autograd keeps, each once, weights and their copies left out."""
        networks = (self.encoder, self.predictor, self.teacher)
        weights = [p for network in networks for p in network.parameters()]
        homes = {p.untyped_storage().data_ptr() for p in weights}
        shapes = {tuple(p.shape) for p in weights} | {tuple(p.T.shape) for p in weights if p.ndim == 2}
        kept: dict[int, torch.Tensor] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in homes and tuple(tensor.shape) not in shapes:
                kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                self.loss()
        return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("bf16, kind", [(False, FLOAT32), (True, Precision(2, 2))])
def test_saved_bytes_are_those_of_autograd(bf16, kind):
    small = Small()
    assert small.saved_bytes(bf16) == CLIPS * step_saved(ENCODER, PREDICTOR, small.seen, kind, recompute=False)


@pytest.mark.parametrize("recompute", [False, True])
def test_operations_are_those_that_torch_counts(recompute):
    small = Small()
    small.encoder.recompute = small.predictor.recompute = recompute
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        small.loss().backward()
    assert counter.get_total_flops() == CLIPS * step_flops(ENCODER, PREDICTOR, 256, small.seen, recompute)


def test_a_block_by_hand():
    # d 4, hidden 16, 3 tokens, 2 read: 6*3*16 + 4*2*3*4 + 2*2*16 + 4*2*4*16
    assert block_flops(4, 16, 3, 2) == 288 + 96 + 64 + 512
    # 1 head, 3 tokens, all read: 18 n d numbers, 4 statistics and a log-sum a token
    assert block_saved(4, 16, 1, 3, 3, FLOAT32) == 4 * (18 * 3 * 4 + 4 * 3 + 3)
    # in bfloat16 16 n d of them take half, the inputs of the two norms stay
    assert block_saved(4, 16, 1, 3, 3, BF16_GPU) == 2 * 16 * 3 * 4 + 4 * (2 * 3 * 4 + 4 * 3 + 3)


def test_recompute_keeps_the_inputs_of_blocks():
    config, k = EncoderConfig.vit_l(), 100
    less = encoder_saved(config, k, FLOAT32, False) - encoder_saved(config, k, FLOAT32, True)
    assert less == 24 * (block_saved(1024, 4096, 16, k, k, FLOAT32) - 4 * k * 1024)


def test_parameters_of_released_sizes():
    counts = [parameters(size, PredictorConfig.released(size)) for size in (EncoderConfig.vit_l(), EncoderConfig.vit_g())]
    assert counts == [(303_885_312, 22_086_016), (1_012_173_952, 22_381_312)]


def test_released_masks_have_the_released_statistics():
    steps = draw_seen((SHORT_RANGE,), (8, 16, 16), clips=24, draws=300)
    (mean,) = mean_seen(steps)
    # measured with the official collator: 0.248 and 0.465; a step's standard deviation is 0.04
    assert abs(mean.context / 2048 - 0.248) < 0.012 and abs(mean.targets / 2048 - 0.465) < 0.015
    assert len({step[0].context for step in steps}) > 5
