"""The loop does what its settings say, and learns instead of collapsing."""

import csv
from dataclasses import replace

import pytest
import torch

from minijepa.config import PredictorConfig
from minijepa.data.preprocess import normalize
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.model.encoder import VideoEncoder
from minijepa.study.variants import Variant
from minijepa.train.health import feature_std, health
from minijepa.train.masks import Future, MultiBlock
from minijepa.train.objective import latent_loss, pixel_loss
from minijepa.train.pretrain import PretrainConfig, State, network_input, pretrain
from tests.unit.train.tiny import tiny_config


def with_optim(config: PretrainConfig, key: str, value) -> PretrainConfig:
    return replace(config, optim=replace(config.optim, **{key: value}))


def weights(state: State) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.encoder.parameters()])


def clip_std(encoder: VideoEncoder) -> float:
    video = normalize(sample(World.drift(), 32, split_generator("test", 9)).video)
    with torch.no_grad():
        return feature_std(encoder(video).mean(1))


def test_metrics_say_what_happened(tmp_path):
    state = pretrain(tiny_config(steps=5, folder=tmp_path, log_every=2))
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [2, 4, 5]
    assert list(rows[0]) == ["step", "seconds", "loss", "skipped", "feature_std", "effective_rank", "constant_loss"]
    seconds = [float(row["seconds"]) for row in rows]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    last = tiny_config().data.clips(4, 0, 8, slice(0, 8))
    expected = health(state.teacher, normalize(last))
    assert float(rows[-1]["feature_std"]) == pytest.approx(expected["feature_std"], rel=1e-5)


def test_watch_is_called_at_its_steps_and_at_the_end():
    seen = []
    pretrain(tiny_config(steps=5), watch=lambda state: seen.append(state.step), watch_every=2)
    assert seen == [0, 2, 4, 5]


def test_rate_of_zero_moves_nothing_and_one_step_moves_everything():
    config = tiny_config(steps=1)  # the first step of a warm-up from 0 has rate 0
    before, after = pretrain(tiny_config(steps=0)), pretrain(config)
    assert torch.equal(weights(before), weights(after))
    optim = replace(config.optim, rate=replace(config.optim.rate, start=1e-3))
    moved = pretrain(replace(config, optim=optim))
    assert all((a != b).any() for a, b in zip(before.encoder.parameters(), moved.encoder.parameters(), strict=True))


def test_teacher_is_the_moving_average():
    trail = []
    config = with_optim(tiny_config(steps=3), "momentum", (0.5, 0.9))
    state = pretrain(config, watch=lambda state: trail.append(weights(state).clone()), watch_every=1)
    teacher = trail[0]
    for student, momentum in zip(trail[1:], (0.5, 0.7, 0.9), strict=True):
        teacher = momentum * teacher + (1 - momentum) * student
    found = torch.cat([p.flatten() for p in state.teacher.parameters()])
    assert torch.allclose(found, teacher, atol=1e-6) and not torch.allclose(found, trail[-1], atol=1e-6)


def test_checkpointing_gives_the_same_weights():
    plain, recomputed = (pretrain(with_optim(tiny_config(steps=3), "recompute", value)) for value in (False, True))
    assert torch.equal(weights(plain), weights(recomputed))
    assert recomputed.encoder.recompute and recomputed.predictor.recompute


def test_bfloat16_runs_and_stays_near():
    plain, half = (pretrain(with_optim(tiny_config(steps=3), "bf16", value)) for value in (False, True))
    assert {p.dtype for p in half.encoder.parameters()} == {torch.float32}
    assert not torch.equal(weights(plain), weights(half))
    assert (weights(plain) - weights(half)).abs().max() < 0.02


def test_clipping_bounds_the_gradient():
    norms = {}
    for clip in (None, 1e-3):
        state = pretrain(with_optim(tiny_config(steps=2), "clip", clip))
        grads = [p.grad for n in (state.encoder, state.predictor) for p in n.parameters() if p.grad is not None]
        norms[clip] = torch.cat([grad.flatten() for grad in grads]).norm().item()
    assert norms[1e-3] <= 1.001e-3 < norms[None]


def test_pixel_twin_trains():
    config = replace(tiny_config(steps=2), predictor=replace(PredictorConfig.tiny(), output_width=384))
    assert pretrain(config, pixel_loss).step == 2


def test_long_clips_and_other_masks():
    masks = (MultiBlock(2, 0.5, min_context=0.25), Future(0.25))
    config = replace(tiny_config(steps=2), masks=masks, data=replace(tiny_config().data, world=World.rich(frames=16)))
    assert pretrain(config).step == 2


def test_raw_clips_are_normalised_and_ready_ones_left_alone():
    raw = torch.randint(0, 256, (2, 3, 4, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network_input(raw, "cpu"), normalize(raw))
    assert torch.equal(network_input(normalize(raw), "cpu"), normalize(raw))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"predictor": PredictorConfig()}, "encoder_width 1024"),
        ({"masks": ()}, "0 mask types"),
        ({"batch": 0}, "batch of 0"),
    ],
)
def test_settings_that_cannot_go_together(change, words):
    with pytest.raises(ValueError, match=words):
        replace(PretrainConfig(), **change)


def test_collapse_comes_without_the_safeguards_and_not_with_them():
    """The reason for teacher and stop-gradient: 24 steps without them and every clip looks the same."""
    config = with_optim(tiny_config(steps=24, batch=8), "rate", replace(tiny_config().optim.rate, warmup=10))
    start = clip_std(pretrain(tiny_config(steps=0)).encoder)
    safe = clip_std(pretrain(config, latent_loss).encoder)
    bare = clip_std(pretrain(config, Variant(targets="student", stop_gradient=False)).encoder)
    assert bare < 0.35 * start < 0.45 * start < safe, (start, safe, bare)
