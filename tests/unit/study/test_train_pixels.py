"""The rival is trained as the latent model is: the same episodes, as many steps and parameters; and it learns."""

import csv
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from minijepa.config import EncoderConfig
from minijepa.data.toy_reach import ReachWorld
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.study import train_pixels
from minijepa.study.pixel_world import FlowWorld, PixelWorld, paste, pixel_predictor
from minijepa.study.reach import EPISODES, POST_STEPS, STEPS, pretraining
from minijepa.study.train_pixels import PIXEL_EPISODES, PIXEL_STEPS, pixel_pairs, pixel_world, train_flow, training
from minijepa.study.train_pixels import train_pixels as train
from minijepa.train.latent_view import LatentView, ViewConfig
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.pretrain import Run
from minijepa.train.transitions import reach_episodes


def count(*networks: torch.nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def small(flow: bool, run: Run, steps: int) -> PostTrainConfig:
    return replace(training(pixel_predictor(width=24, flow=flow), run, steps), batch=8)


@pytest.fixture(scope="module")
def known():
    return pixel_pairs(16, 0, 24)


def test_the_transitions_are_those_of_the_latent_model(known):
    drawn = next(reach_episodes(ReachWorld(), 24, STEPS, "train", 100))
    assert known.actions.shape == (24 * STEPS, 1, 2)
    row = 5 * STEPS + 3  # from frame 3 to frame 4 of episode 5
    assert torch.equal(paste(known.latents[row], (2, 2)), drawn.video[5, :, 3:5].transpose(0, 1))
    assert torch.equal(known.actions[row, 0], drawn.actions[5, 3]) and torch.equal(known.states[row], drawn.states[5, 3:5])


@pytest.mark.parametrize("flow", [False, True])
def test_sizes_are_matched_within_a_tenth(flow):
    latent = VideoEncoder(EncoderConfig.tiny()), ActionPredictor(PostTrainConfig.toy().predictor)
    whole = count(*latent, LatentView(ViewConfig("inverse", width=2), 16, 64))
    assert_close(count(ActionPredictor(pixel_predictor(flow=flow))) / whole, 1.0, atol=0.1, rtol=0.0)


def test_a_pixel_model_has_no_less_than_the_latent_one():
    ours = training(pixel_predictor(), Run())
    assert ours.optim.steps == PIXEL_STEPS >= pretraining(0, None).optim.steps + POST_STEPS
    assert ours.batch == PostTrainConfig.toy().batch * STEPS  # transitions of a sequence
    assert PIXEL_EPISODES >= EPISODES


def test_the_flow_learns_to_read_noisy_pictures(known, tmp_path):
    some = known.rows(torch.arange(8))
    train_flow(small(True, Run(tmp_path, seed=1, log_every=1, quiet=True), 40), some)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    losses = torch.tensor([float(row["loss"]) for row in rows])
    assert len(losses) == 40 and losses[-5:].mean() < 0.96 * losses[:5].mean()  # the rate is still warming up


def test_a_stopped_flow_goes_on_to_the_same_weights(known, tmp_path, monkeypatch):
    run = Run(tmp_path, seed=2, log_every=1, save_every=2, quiet=True)
    config, loss, calls = small(True, run, 5), train_pixels.flow_loss, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(train_pixels, "flow_loss", dies)
    with pytest.raises(KeyboardInterrupt):
        train_flow(config, known)
    monkeypatch.setattr(train_pixels, "flow_loss", loss)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 4
    stopped, whole = train_flow(config, known), train_flow(replace(config, run=replace(run, folder=None)), known)
    for ours, theirs in zip(stopped.parameters(), whole.parameters()):
        assert torch.equal(ours, theirs)


def test_the_run_of_a_flow_is_not_taken_for_another(known, tmp_path):
    config = small(True, Run(tmp_path, quiet=True), 1)
    train_flow(config, known)
    with pytest.raises(ValueError, match="flow"):
        post_train(config, known)


@pytest.mark.parametrize("kind, form", [("regression", PixelWorld), ("flow", FlowWorld)])
def test_a_trained_model_is_opened_and_not_trained_again(kind, form, known, tmp_path, monkeypatch):
    monkeypatch.setattr(train_pixels, "training", lambda config, run, steps=None: small(kind == "flow", run, 2))
    monkeypatch.setattr(train_pixels, "pixel_pairs", lambda patch, seed: known)
    first = pixel_world(kind, 0, tmp_path)
    monkeypatch.setattr(train_pixels, "train_pixels", None)  # would fail if it were called
    again = pixel_world(kind, 0, tmp_path)
    assert type(first) is type(again) is form and again.grid == (2, 2)
    for ours, theirs in zip(first.predictor.parameters(), again.predictor.parameters()):
        assert torch.equal(ours, theirs)


def test_regression_is_post_training_on_pixels(known):
    model = train("regression", 0, known, small(False, Run(quiet=True), 2))
    assert isinstance(model, PixelWorld) and model.predictor.config.encoder_width == 768
