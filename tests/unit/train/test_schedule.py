"""Rates and momenta at the corners of the released schedules, and who gets weight decay."""

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.pretrain import PretrainConfig, fresh_state
from minijepa.train.recipes import RECIPES
from minijepa.train.schedule import LearningRate, Optimisation, adamw


def test_released_primary_phase():
    optim = RECIPES["vit-l"]().optim
    rate = [optim.rate.at(step, optim.steps) for step in (0, 6_000, 12_000, 100_000, 239_999)]
    assert rate == pytest.approx([1e-4, 3.125e-4, 5.25e-4, 5.25e-4, 5.25e-4], rel=1e-12)
    assert [optim.momentum_at(step) for step in (0, 239_999)] == [0.99925, 0.99925]
    assert optim.weight_decay == 0.04 and optim.betas == (0.9, 0.999) and optim.clip is None and optim.bf16


def test_released_cooldown_stops_half_way():
    cooldown = LearningRate(peak=5.25e-4, final=1e-6, warmup=0, decay=12_000, horizon=1.25)
    assert cooldown.at(11_999, 12_000) == pytest.approx(1.058e-4, rel=1e-6)
    assert cooldown.at(0, 12_000) == pytest.approx(5.25e-4 - 5.24e-4 / 15_000, rel=1e-9)
    paper = LearningRate(peak=5.25e-4, final=1e-6, warmup=0, decay=12_000)
    assert paper.at(11_999, 12_000) == pytest.approx(1e-6)


def test_warm_up_constant_decay():
    rate = LearningRate(0.0, 1.0, 0.1, warmup=10, decay=10)
    values = [rate.at(step, 100) for step in range(100)]
    assert values[0] == 0 and values[5] == 0.5 and set(values[10:90]) == {1.0}
    assert values[90] == pytest.approx(0.91) and values[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(values[89:], values[90:]))


def test_momentum_rises_linearly_to_the_last_step():
    optim = Optimisation(steps=101, momentum=(0.9, 1.0))
    assert [optim.momentum_at(step) for step in (0, 50, 100)] == pytest.approx([0.9, 0.95, 1.0])
    assert Optimisation(steps=1, momentum=(0.9, 1.0)).momentum_at(0) == 0.9


def test_weight_decay_spares_biases_and_norms():
    generator = torch.Generator().manual_seed(0)
    networks = {
        "encoder": VideoEncoder(EncoderConfig.tiny(), generator),
        "predictor": MaskedPredictor(PredictorConfig.tiny(), generator),
    }
    names = {id(p): f"{n}.{name}" for n, network in networks.items() for name, p in network.named_parameters()}
    optimiser = adamw(list(networks.values()), Optimisation(weight_decay=0.3))
    decay = {names[id(p)]: group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert set(decay) == set(names.values())
    assert decay["encoder.blocks.0.attn.qkv.weight"] == decay["encoder.patch_embed.proj.weight"] == 0.3
    assert decay["predictor.mask_tokens.0"] == 0.3  # three axes, so it is decayed as released
    spared = {name for name, value in decay.items() if value == 0}
    assert spared == {name for name in decay if name.endswith("bias") or ".norm" in name or "_norm." in name}
    assert optimiser.defaults["eps"] == 1e-8


def test_mask_tokens_that_nobody_uses_stay_zero():
    state = fresh_state(PretrainConfig())
    trained = {id(p) for group in state.optimiser.param_groups for p in group["params"]}
    assert [id(token) in trained for token in state.predictor.mask_tokens] == [True, False]
    assert all(not p.requires_grad for p in state.teacher.parameters())
    assert all(torch.equal(a, b) for a, b in zip(state.teacher.parameters(), state.encoder.parameters(), strict=True))
