"""Post-training computes the released losses, goes on bit by bit, and learns what actions do."""

import csv
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from minijepa.config import ActionPredictorConfig, EncoderConfig
from minijepa.data.preprocess import normalize
from minijepa.data.toy_reach import ReachWorld
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.train.batches import Batches
from minijepa.train.latent_view import LatentView, ViewConfig, fit_view
from minijepa.train.post_train import PostTrainConfig, State, action_losses, layer_normed, post_train
from minijepa.train.pretrain import PretrainConfig, Run, pretrain
from minijepa.train.regularise import variance_covariance
from minijepa.train.schedule import LearningRate
from minijepa.train.transitions import ReachClips, Transitions, encode_episodes, frame_tokens
from tests.unit.train.tiny import Stopped, stop_at, tiny_config

GRID = (2, 2)


def random_transitions(count: int = 6, frames: int = 5, width: int = 12) -> Transitions:
    g = torch.Generator().manual_seed(1)
    latents = layer_normed(torch.randn(count, frames, 4, width, generator=g))
    return Transitions(latents, torch.randn(count, frames - 1, 2, generator=g), torch.randn(count, frames, 2, generator=g))


def with_cameras(known: Transitions) -> Transitions:
    cameras = torch.randn(*known.states.shape[:2], 6, generator=torch.Generator().manual_seed(4))
    return replace(known, extrinsics=cameras)


def tiny(steps: int = 6, **run) -> PostTrainConfig:
    predictor = ActionPredictorConfig(12, 24, 1, 2, residual=True, action_width=2)
    config = PostTrainConfig.toy(12, GRID, steps)
    return replace(config, predictor=predictor, batch=4, run=Run(quiet=True, **run))


def weights(state: State) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.predictor.parameters()])


def by_hand(predictor, known: Transitions, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two losses written out, frame by frame, as the sheet states them."""
    h, a, s, e = known.latents, known.actions, known.states, known.extrinsics
    t = a.shape[1]

    def next_frame(frames: list) -> torch.Tensor:
        k = len(frames)
        out = predictor(torch.cat(frames, 1), a[:, :k], s[:, :k], GRID, e[:, :k] if e is not None else None)[:, -4:]
        return F.layer_norm(out, out.shape[-1:])

    truth = [h[:, k] for k in range(t + 1)]
    forced = [(next_frame(truth[: k + 1]) - truth[k + 1]).abs().mean() for k in range(t)]
    imagined = [truth[0]]
    for _ in range(steps):
        imagined.append(next_frame(imagined))
    rolled = [(imagined[k] - truth[k]).abs().mean() for k in range(1, steps + 1)]
    return torch.stack(forced).mean(), torch.stack(rolled).mean()


@pytest.mark.parametrize("auto_steps", [1, 2, 4])
@pytest.mark.parametrize(("residual", "extrinsics"), [(False, False), (True, False), (True, True)])
def test_losses_equal_those_by_hand(auto_steps, residual, extrinsics):
    config = replace(tiny().predictor, residual=residual, extrinsics=extrinsics)
    predictor, known = ActionPredictor(config, torch.Generator().manual_seed(0)), random_transitions()
    known = with_cameras(known) if extrinsics else known
    found = action_losses(predictor, known, GRID, auto_steps)
    expected = by_hand(predictor, known, auto_steps)
    assert torch.allclose(torch.stack(found), torch.stack(expected), atol=1e-6)
    grads = [torch.autograd.grad(sum(pair), predictor.predictor_proj.weight)[0] for pair in (found, expected)]
    assert torch.allclose(*grads, atol=1e-6)  # gradients pass through every call of the rollout


def test_rollout_sees_true_states_and_not_true_frames():
    predictor, known = ActionPredictor(tiny().predictor, torch.Generator().manual_seed(0)), random_transitions()

    def gradient(name: str) -> torch.Tensor:
        value = getattr(known, name).clone().requires_grad_()
        return torch.autograd.grad(action_losses(predictor, replace(known, **{name: value}), GRID)[1], value)[0]

    frames, states = gradient("latents"), gradient("states")
    assert frames[:, 0].abs().max() > 0 and frames[:, 3:].abs().max() == 0
    assert torch.allclose(frames[:, 1].abs(), frames[0, 1, 0, 0].abs().expand_as(frames[:, 1]), rtol=1e-4)  # a target, no input
    assert states[:, :2].abs().max() > 0 and states[:, 2:].abs().max() == 0


def test_a_predictor_that_is_told_of_the_camera_learns_from_it_and_needs_it():
    told = replace(tiny(), predictor=replace(tiny().predictor, extrinsics=True))
    known = with_cameras(random_transitions())
    state = post_train(told, known)
    fresh = ActionPredictor(told.predictor, torch.Generator().manual_seed(told.run.seed))
    assert not torch.equal(state.predictor.extrinsics_encoder.weight, fresh.extrinsics_encoder.weight)
    assert torch.equal(known.rows(torch.tensor([2])).extrinsics[0], known.extrinsics[2])
    with pytest.raises(ValueError, match="extrinsics: expected"):
        post_train(told, random_transitions())


def test_sequences_too_short_are_refused():
    predictor = ActionPredictor(tiny().predictor)
    with pytest.raises(ValueError, match="at least 3 actions"):
        action_losses(predictor, random_transitions(frames=3), GRID, auto_steps=3)
    known = random_transitions()
    with pytest.raises(ValueError, match="f - 1 actions"):
        Transitions(known.latents, known.actions[:, :-1], known.states)
    with pytest.raises(ValueError, match="at least 1"):
        replace(tiny(), auto_steps=0)


def test_resume_is_bit_exact_and_metrics_are_whole(tmp_path):
    known = random_transitions()
    whole = post_train(tiny(6, folder=tmp_path / "whole", log_every=2), known)
    folder = tmp_path / "parts"
    with pytest.raises(Stopped):
        post_train(tiny(6, folder=folder, save_every=3, log_every=2), known, watch=stop_at(4), watch_every=1)
    again = post_train(tiny(6, folder=folder, save_every=3, log_every=2), known)
    assert torch.equal(weights(whole), weights(again))
    rows = [list(csv.DictReader((tmp_path / name / "metrics.csv").open())) for name in ("whole", "parts")]
    assert [[row[key] for row in part] for part in rows for key in ("step",)] == [["2", "4", "6"]] * 2
    assert [row["rollout"] for row in rows[0]] == [row["rollout"] for row in rows[1]]


def test_other_data_or_settings_do_not_go_on(tmp_path):
    known = random_transitions()
    post_train(tiny(2, folder=tmp_path), known)
    with pytest.raises(ValueError, match="expected the settings"):
        post_train(tiny(2, folder=tmp_path), replace(known, latents=known.latents + 1))
    with pytest.raises(ValueError, match="expected the settings"):
        post_train(replace(tiny(2, folder=tmp_path), auto_steps=1), known)


def test_cached_features_are_those_of_each_frame_alone():
    encoder = VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)).eval()
    known = encode_episodes(encoder, ReachWorld(), 5, 3, "train", 0)
    assert known.latents.shape == (5, 4, 16, 64) and known.actions.shape == (5, 3, 2)
    again = encode_episodes(encoder, ReachWorld(), 5, 3, "train", 0)
    assert torch.equal(known.latents, again.latents)
    assert known.latents.mean(-1).abs().max() < 1e-5 and (known.latents.var(-1, correction=0) - 1).abs().max() < 1e-2
    frame = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    doubled = encoder(normalised_pair(frame))
    assert torch.allclose(frame_tokens(encoder, frame), F.layer_norm(doubled, (64,)), atol=1e-6)


def normalised_pair(frame: torch.Tensor) -> torch.Tensor:
    return normalize(frame[:, :, None].repeat_interleave(2, 2))


def test_clips_of_the_plane_hold_every_picture_for_a_tubelet():
    source = ReachClips()
    clips = source.clips(3, 0, 4, slice(0, 4))
    assert isinstance(source, Batches) and clips.shape == (4, 3, 8, 32, 32)
    assert torch.equal(clips[:, :, 0::2], clips[:, :, 1::2]) and not torch.equal(clips[:, :, 1], clips[:, :, 2])
    assert torch.equal(clips[1:3], source.clips(3, 0, 4, slice(1, 3)))
    config: PretrainConfig = replace(tiny_config(steps=1), data=source)
    assert pretrain(config).step == 1


def test_standardised_view_takes_out_what_each_place_always_shows():
    known = random_transitions(count=200)
    shifted = replace(known, latents=known.latents * 3 + torch.arange(4.0)[:, None])
    view = fit_view(ViewConfig("standardised"), shifted, seed=0)
    seen = view(shifted.latents)
    assert seen.mean((0, 1)).abs().max() < 1e-4 and (seen.flatten(0, 2).std(0) - 1).abs().max() < 0.02
    assert torch.equal(view.finish(seen), seen) and view.width == 12
    released = fit_view(ViewConfig("released"), known, seed=0)
    assert torch.equal(released(known.latents), known.latents)
    assert torch.allclose(released.finish(3 * known.latents), known.latents, atol=1e-4)


def test_projector_keeps_what_actions_move_and_drops_the_rest():
    g = torch.Generator().manual_seed(0)
    actions = torch.randn(400, 5, 2, generator=g) * 0.2
    place = F.pad(actions.cumsum(1), (0, 0, 1, 0)) + torch.randn(400, 1, 2, generator=g)
    latents = 0.3 * torch.randn(400, 6, 2, 8, generator=g)  # noise everywhere
    latents[:, :, 0, :2] = place  # what actions move hides in one token
    known = Transitions(latents, actions, place)

    def read_out(steps: int) -> tuple[torch.Tensor, float]:
        """Return the latents and how much of the place they miss, in shares of its variance."""
        view = fit_view(ViewConfig("projected", 2, steps, rate=1e-2, variance=0.1, covariance=0.0), known, seed=3)
        seen = view(latents).flatten(0, 2)
        answer = torch.linalg.lstsq(seen, place.flatten(0, 1)).solution
        return seen, ((seen @ answer - place.flatten(0, 1)).var() / place.var()).item()

    untrained, trained = read_out(0), read_out(300)
    assert trained[1] < 0.1 < 0.5 < untrained[1], (trained[1], untrained[1])
    assert trained[0].shape[1] == 2 and torch.equal(trained[0], read_out(300)[0])


def test_solved_projector_equals_ridge_regression_by_hand():
    g = torch.Generator().manual_seed(0)
    known = Transitions(torch.randn(60, 4, 2, 3, generator=g), torch.randn(60, 3, 2, generator=g), torch.randn(60, 4, 2))
    view = fit_view(ViewConfig("inverse", gap=2), known, seed=0)
    x = (known.latents - known.latents.mean((0, 1))).flatten(2)
    x = x / x.unflatten(2, (2, 3)).square().mean((0, 1, 2)).sqrt().repeat(2)
    rows = [
        (x[k, j] - x[k, i], known.actions[k, i:j].sum(0))
        for k in range(60)
        for i, j in ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3))
    ]
    change, moved = (torch.stack(part) for part in zip(*rows))
    padded = torch.cat((change, (0.1 * len(rows)) ** 0.5 * torch.eye(6))), torch.cat((moved, torch.zeros(6, 2)))
    expected = x @ torch.linalg.lstsq(*padded).solution
    expected = expected / expected.flatten(0, 1).std(0)
    assert torch.allclose(view(known.latents)[:, :, 0], expected, atol=1e-4) and view.width == 2


def test_spread_is_zero_for_independent_channels_and_one_for_collapse():
    apart = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)) * 1.1
    loose, entangled = variance_covariance(apart)
    assert loose < 0.01 and entangled < 0.01
    loose, entangled = variance_covariance(apart[:, :1].expand(-1, 4) * 1e-3)
    assert loose > 0.98
    assert variance_covariance(apart[:, :1].expand(-1, 4))[1] > 3


def test_released_settings_are_those_of_the_sheet():
    config = PostTrainConfig()
    rates = [config.optim.rate.at(step, config.optim.steps) for step in (0, 4_500, 89_999, 94_499)]
    assert rates == [7.5e-5, 4.25e-4, 4.25e-4, 0.0] and config.optim.weight_decay == 0.04 and config.batch == 256
    assert config.predictor == ActionPredictorConfig.ac_vit_g() and config.run.seed == 239 and config.auto_steps == 2


def test_actions_are_learnt_where_they_matter():
    """In a world where the latent is the place, a few hundred steps make the next place known."""
    g = torch.Generator().manual_seed(0)
    actions = torch.randn(300, 4, 2, generator=g)
    place = F.pad(actions.cumsum(1), (0, 0, 1, 0))
    known = Transitions(place[:, :, None], actions, place)
    predictor = ActionPredictorConfig(2, 24, 1, 2, residual=True, action_width=2, rope="textbook")
    config = replace(tiny(150), predictor=predictor, grid=(1, 1), batch=32)
    config = replace(config, optim=replace(config.optim, rate=LearningRate(0.0, 5e-3, 1e-4, 10, 50)))
    copying = actions.abs().mean()
    state = post_train(config, known, finish=lambda predicted: predicted)
    with torch.no_grad():
        forcing, rollout = action_losses(state.predictor, known, (1, 1), 2, lambda predicted: predicted)
    assert forcing < 0.25 * copying and rollout < 0.35 * copying


def test_view_has_no_projector_unless_asked():
    assert LatentView(ViewConfig("standardised"), 4, 8).projector is None
