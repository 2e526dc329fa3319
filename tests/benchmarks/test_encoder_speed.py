"""The encoder's forward against transformers' (sdpa), the fastest of the public ones, with the same weights."""

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from tests.benchmarks.side_by_side import side_by_side
from tests.equivalence.official import pair


def sides(config: EncoderConfig, crop: int, frames: int, batch: int, dtype: torch.dtype = torch.float32):
    """Give a call of our encoder and one of theirs, on one clip, whose answers were compared."""
    theirs, ours, _ = pair(config, PredictorConfig(config.width, 48, 1, 2), crop)
    theirs, ours = theirs.encoder.to(dtype), ours.to(dtype)
    video = torch.randn(batch, 3, frames, crop, crop, generator=torch.Generator().manual_seed(0)).to(dtype)
    their_video = video.transpose(1, 2).contiguous()
    calls = torch.no_grad()(lambda: ours(video)), torch.no_grad()(lambda: theirs(their_video).last_hidden_state)
    apart = (calls[0]() - calls[1]()).abs().max().item()
    assert apart < (1e-5 if dtype == torch.float32 else 0.2), apart
    return calls


@pytest.mark.parametrize("batch, goal", [(1, 2.0), (16, 1.25)])
def test_small_encoder(hold, batch, goal):
    ours, theirs = sides(EncoderConfig.small(), crop=64, frames=8, batch=batch)
    hold(side_by_side(f"encoder 192x6, 64 tokens, batch {batch}, fp32", ours, theirs, rounds=9), goal)


@pytest.mark.parametrize("dtype, goal", [(torch.float32, 1.0), (torch.bfloat16, 1.2)], ids=["fp32", "bf16"])
def test_vit_l(hold, dtype, goal):
    ours, theirs = sides(EncoderConfig.vit_l(), crop=256, frames=16, batch=1, dtype=dtype)
    name = "fp32" if dtype == torch.float32 else "bf16"
    hold(side_by_side(f"encoder ViT-L, 2,048 tokens, batch 1, {name}", ours, theirs, rounds=3), goal)
