"""The plain networks and the plain step are the released ones, and our pretraining step is theirs."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.preprocess import normalize
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE, Masks
from minijepa.train.objective import ema_update, latent_loss
from minijepa.train.pretrain import Learner, PretrainConfig, Run, draw_masks, fresh_state, train_step
from minijepa.train.processes import Processes
from minijepa.train.schedule import LearningRate, Optimisation
from tests.benchmarks.plain_model import PlainEncoder, PlainPredictor
from tests.benchmarks.plain_step import PlainStep, plain_step
from tests.equivalence.golden import case, data, fill, output
from tests.equivalence.official import randomise

CLOSE = {"atol": 1e-5, "rtol": 0.0}
GRID = (4, 6, 6)
SETTINGS = PretrainConfig(
    encoder=EncoderConfig(128, 4, 2, patch=8),
    predictor=PredictorConfig(128, 96, 3, 3, mask_tokens=2),
    masks=(SHORT_RANGE, replace(LONG_RANGE, spatial_scale=0.5)),
    batch=4,
    optim=Optimisation(100, LearningRate(2e-4, 1e-3, 1e-3, warmup=3), momentum=(0.99, 0.99)),
)


@torch.no_grad()
def test_the_plain_networks_are_the_released_ones():
    sizes = case("enc_hd64")
    encoder = PlainEncoder(EncoderConfig(sizes["dim"], sizes["depth"], sizes["heads"], sizes["ratio"]))
    fill(encoder, "enc_hd64")
    video = data("devenc_hd64/video", (2, 3, sizes["frames"], *sizes["size"]))
    assert_close(encoder(video), output("enc_hd64/out"), **CLOSE)
    assert_close(encoder(video, output("enc_hd64/ids")), output("enc_hd64/out_masked"), **CLOSE)
    sizes = case("pred")
    config = PredictorConfig(sizes["dim"], sizes["pdim"], sizes["depth"], sizes["heads"], 2)
    predictor = PlainPredictor(config, (4, 4, 4))
    fill(predictor, "pred")
    context, ids = data("devpred/ctx", (2, 16, sizes["dim"])), (output("pred/ctx_ids"), output("pred/tgt_ids"))
    for token in (0, 1):
        assert_close(predictor(context, *ids, token), output(f"pred/out_token{token}"), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("frames, height, width", [(2, 32, 32), (6, 32, 96), (10, 96, 64), (4, 16, 112)])
def test_grids_of_any_shape(frames, height, width):
    """transformers takes the grid from its config; the released encoder takes it from the clip, and so do we."""
    config = EncoderConfig(160, 3, 2)
    ours, plain = VideoEncoder(config), PlainEncoder(config)
    randomise(ours, 5)
    plain.load_state_dict(ours.state_dict())
    generator = torch.Generator().manual_seed(6)
    video = torch.randn(2, 3, frames, height, width, generator=generator)
    tokens = frames // 2 * (height // 16) * (width // 16)
    keep = torch.rand(2, tokens, generator=generator).argsort(1)[:, : max(1, tokens // 3)]
    assert_close(ours(video), plain(video), **CLOSE)
    assert_close(ours(video, keep), plain(video, keep), **CLOSE)


def batches(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(0, 256, (4, 3, 8, 48, 48), generator=generator).to(torch.uint8) for _ in range(count)]


def masks_of(step: int) -> list[Masks]:
    return draw_masks(SETTINGS, GRID, step, Processes())


def networks() -> tuple[VideoEncoder, MaskedPredictor, PlainStep]:
    """Give our networks and a plain step with equal weights, none of them zero."""
    encoder, predictor = VideoEncoder(SETTINGS.encoder), MaskedPredictor(SETTINGS.predictor)
    randomise(encoder, 8), randomise(predictor, 9)
    return encoder, predictor, plain_step(encoder, predictor, GRID)


@pytest.mark.parametrize("recompute", [False, True])
def test_loss_and_gradients_of_a_step(recompute):
    encoder, predictor, plain = networks()
    encoder.recompute = predictor.recompute = recompute
    teacher = copy.deepcopy(encoder).requires_grad_(False)
    randomise(teacher, 10)
    plain.teacher.load_state_dict(teacher.state_dict())
    video, masks = normalize(batches(1)[0]), masks_of(0)
    ours = Learner(encoder, predictor, latent_loss).train()(teacher, video, masks)
    theirs = plain.loss(video, masks)
    assert abs(ours.item() - theirs.item()) <= 1e-6 and ours.item() > 0.1
    ours.backward(), theirs.backward()
    for mine, other in ((encoder, plain.encoder), (predictor, plain.predictor)):
        expected = dict(other.named_parameters())
        for name, parameter in mine.named_parameters():
            if name == "mask_tokens.1":  # no one asked for it
                assert parameter.grad is None and expected[name].grad is None
                continue
            wanted, found = expected[name].grad, parameter.grad
            assert (found - wanted).norm() <= 2e-6 * wanted.norm(), name


def test_a_trajectory_of_steps():
    """Schedules, AdamW with its two groups and the teacher: the same losses and weights, step after step."""
    state = fresh_state(replace(SETTINGS, run=Run(seed=11)))
    plain = plain_step(state.encoder, state.predictor, GRID)
    learner = Learner(state.encoder, state.predictor, latent_loss).train()
    losses = []
    for step, video in enumerate(batches(6)):
        rate = 2e-4 + (1e-3 - 2e-4) * min(1.0, step / 3)
        theirs = plain.step(normalize(video), masks_of(step), rate, momentum=0.99)
        ours = train_step(learner, state, video, SETTINGS, Processes())
        assert abs(ours.item() - theirs.item()) <= 2e-6, step
        losses.append(ours.item())
    assert losses[-1] < losses[0] - 0.02
    for mine, other in ((state.encoder, plain.encoder), (state.predictor, plain.predictor), (state.teacher, plain.teacher)):
        for name, value in other.state_dict().items():
            # root mean square: where a gradient is all rounding, AdamW makes a step of its sign, so single elements differ
            gap = (mine.state_dict()[name] - value).square().mean().sqrt().item()
            assert gap <= 2e-6, f"{name}: {gap}"


@torch.no_grad()
def test_the_teacher_follows_every_parameter():
    encoder, _, plain = networks()
    teacher = copy.deepcopy(encoder)
    randomise(teacher, 12)
    before = [parameter.clone() for parameter in teacher.parameters()]
    ema_update(teacher, encoder, 0.9)
    for old, slow, fast in zip(before, teacher.parameters(), encoder.parameters(), strict=True):
        assert_close(slow, 0.9 * old + 0.1 * fast, atol=1e-6, rtol=0.0)
