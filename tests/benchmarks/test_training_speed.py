"""A pretraining step, and the masks of one, against plain versions of the released code: see plain_step.py, plain_masks.py."""

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE
from minijepa.train.objective import ema_update, latent_loss
from minijepa.train.pretrain import Learner, PretrainConfig, State, fresh_state
from minijepa.train.schedule import Optimisation
from tests.benchmarks.plain_masks import long_range, short_range
from tests.benchmarks.plain_step import plain_step
from tests.benchmarks.side_by_side import side_by_side

RATE, MOMENTUM = 5.25e-4, 0.99925


def our_step(state: State, learner: Learner, video, masks) -> torch.Tensor:
    """Do what `minijepa.train.pretrain.train_step` does once it has its clips and masks."""
    loss = learner(state.teacher, video, masks)
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    ema_update(state.teacher, state.encoder, MOMENTUM)
    return loss.detach()


@pytest.mark.parametrize("pixels, depth", [(112, 6), (64, 12)])
def test_pretraining_step(hold, pixels, depth):
    config = PretrainConfig(
        EncoderConfig(192, 12, 3), PredictorConfig(192, 192, depth, 6), (SHORT_RANGE, LONG_RANGE), batch=4, optim=Optimisation()
    )
    generator = torch.Generator().manual_seed(0)
    state = fresh_state(config)
    learner = Learner(state.encoder, state.predictor, latent_loss).train()
    video = torch.randn(4, 3, 16, pixels, pixels, generator=generator)
    grid = state.encoder.grid(video)
    masks = [mask.draw(grid, 4, generator) for mask in config.masks]
    plain = plain_step(state.encoder, state.predictor, grid)

    def ours():
        return our_step(state, learner, video, masks)

    def theirs():
        return plain.step(video, [tuple(mask) for mask in masks], RATE, MOMENTUM)

    assert abs(ours() - theirs()) < 2e-6
    name = f"pretraining step, 192x12 + 192x{depth}, 16 frames {pixels} px, batch 4"
    hold(side_by_side(name, ours, theirs, rounds=5), 1.4)


def test_masks_of_a_batch(hold):
    grid, batch = (8, 16, 16), 24
    generator, plain = torch.Generator().manual_seed(0), (short_range(grid), long_range(grid))
    counter = iter(range(1_000_000_000))

    def ours():
        return [masks.draw(grid, batch, generator) for masks in (SHORT_RANGE, LONG_RANGE)]

    def theirs():
        return [collator(batch, next(counter), generator) for collator in plain]

    hold(side_by_side("masks of both kinds, batch 24, 16 frames 256 px", ours, theirs, rounds=9), 5.0)
