"""The command of post-training: its recipes, and that kills, restarts and company do not change what is learnt."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.config import ActionPredictorConfig, EncoderConfig
from minijepa.data.toy_reach import ReachWorld
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load, save
from minijepa.study import reach
from minijepa.train.feature_cache import FeatureCache, ReachRecordings, write_features
from minijepa.train.post_train import PostTrainConfig, post_train
from minijepa.train.post_train_command import RECIPES, ac_vit_g, main, parse, plane
from minijepa.train.transitions import encode_episodes
from minijepa.train.world_model import load_world
from tests.unit.train.commands import finish, kill_on_the_way, metrics, start

STEPS, EPISODES = 24, 140
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
FILES = ("encoder", "predictor", "view")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    network = VideoEncoder(EncoderConfig(32, 1, 2), torch.Generator().manual_seed(0)).eval()
    return save(network, tmp_path_factory.mktemp("encoder") / "encoder.safetensors")


def command(encoder: Path, folder: Path) -> list[str]:
    said = ["-m", "minijepa.train.post_train", "--encoder", str(encoder), "--episodes", str(EPISODES)]
    said += ["--optim.steps", str(STEPS), "--run.save-every", "3", "--run.log-every", "1", "--run.quiet"]
    return [*said, "--run.folder", str(folder)]


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([value.flatten() for value in load(folder / "predictor.safetensors").state_dict().values()])


@pytest.fixture(scope="module")
def whole(encoder, tmp_path_factory) -> Path:
    """Return the folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    finish(start(*command(encoder, folder)))
    assert len(metrics(folder)) == STEPS
    return folder


@pytest.mark.slow
def test_two_processes_equal_one(encoder, whole, tmp_path):
    finish(start(*command(encoder, tmp_path), launcher=TWO))
    for name in ("forcing", "rollout"):
        one, two = (torch.tensor([float(row[name]) for row in metrics(folder)]) for folder in (whole, tmp_path))
        assert len(two) == STEPS and one.std() > 0.01
        assert (one - two).abs().max() < 1e-5
    assert (weights(whole) - weights(tmp_path)).abs().max() < 1e-5
    assert torch.equal(load_world(whole).view.projector.weight, load_world(tmp_path).view.projector.weight)


@pytest.mark.slow
def test_a_killed_run_ends_like_one_never_killed(encoder, whole, tmp_path):
    kill_on_the_way(start(*command(encoder, tmp_path)), tmp_path)
    assert 0 < torch.load(tmp_path / "last.pt", weights_only=True)["step"] < STEPS
    assert not (tmp_path / "view.safetensors").exists()
    finish(start(*command(encoder, tmp_path)))
    assert torch.equal(weights(whole), weights(tmp_path))
    assert [row["rollout"] for row in metrics(whole)] == [row["rollout"] for row in metrics(tmp_path)]


def test_the_plane_is_learnt_as_the_study_learns_it(encoder, whole):
    """Features on disk, or in memory: the same world model."""
    network = load(encoder)
    known = encode_episodes(network, ReachWorld(), EPISODES, reach.STEPS, "train", 100)
    theirs, ours = reach.build(network, "inverse", 0, known, STEPS), load_world(whole)
    pairs = zip(theirs.predictor.state_dict().values(), ours.predictor.state_dict().values(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)
    frames = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    assert torch.allclose(theirs.encode(frames), ours.encode(frames), atol=1e-4)


def test_recipes_are_those_of_the_study_and_of_the_release():
    assert plane().optim.steps == reach.POST_STEPS and parse([]).episodes == reach.EPISODES
    assert replace(plane(), run=PostTrainConfig.toy().run, optim=PostTrainConfig.toy().optim) == PostTrainConfig.toy(2)
    released, default = ac_vit_g(), PostTrainConfig()
    assert released.predictor == ActionPredictorConfig.ac_vit_g() and released.optim == replace(default.optim, recompute=True)
    assert (released.batch, released.run.seed, released.run.device) == (256, 239, "cuda")
    assert set(RECIPES) == {"plane", "ac-vit-g"}


def test_any_number_of_a_recipe_can_be_changed():
    command = parse(["--recipe", "ac-vit-g", "--batch", "8", "--optim.rate.peak", "1e-3", "--features", "there"])
    assert command.config.batch == 8 and command.config.optim.rate.peak == 1e-3 and command.features == Path("there")
    assert command.config.optim.steps == 94_500
    with pytest.raises(SystemExit):
        parse(["--recipe", "vit-q"])


def small(features: Path, folder: Path) -> list[str]:
    """Return the released recipe for a network of the tests."""
    said = ["--recipe", "ac-vit-g", "--features", str(features), "--frames", "3", "--grid", "2", "2", "--batch", "2"]
    said += ["--predictor.encoder-width", "32", "--predictor.width", "24", "--predictor.depth", "1", "--predictor.heads", "2"]
    said += ["--predictor.action-width", "2", "--optim.steps", "3", "--run.device", "cpu", "--run.quiet"]
    return [*said, "--run.folder", str(folder), "--run.log-every", "1"]


@pytest.fixture(scope="module")
def features(encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    write_features(folder, load(encoder), ReachRecordings(ReachWorld(), 6, 3, "train", 0), "bfloat16")
    return folder


def test_the_released_recipe_learns_from_a_cache(encoder, features, tmp_path):
    main([*small(features, tmp_path), "--encoder", str(encoder)])
    config = parse(small(features, tmp_path)).config
    memory = post_train(replace(config, run=replace(config.run, folder=None)), FeatureCache(features, 3).load())
    trained = torch.cat([value.flatten() for value in memory.predictor.state_dict().values()])
    assert torch.equal(trained, weights(tmp_path)) and len(metrics(tmp_path)) == 3
    built = ActionPredictor(config.predictor, torch.Generator().manual_seed(239))
    assert not torch.equal(trained, torch.cat([value.flatten() for value in built.state_dict().values()]))


def test_settings_that_cannot_work_end_with_one_line(encoder, features, tmp_path):
    other = save(VideoEncoder(EncoderConfig(32, 1, 2), torch.Generator().manual_seed(1)), tmp_path / "other.safetensors")
    plain = small(features, tmp_path / "run")
    for arguments, said in [
        (["--recipe", "ac-vit-g"], "--features: expected the folder of a cache, got none"),
        (small(tmp_path, tmp_path / "run"), "expected a cache of features"),
        ([*plain, "--encoder", str(other)], f"expected those of {other}"),
        ([*plain, "--grid", "4", "4"], r"expected frames of \(tokens, width\) \(16, 32\), got \(4, 32\)"),
        ([*plain, "--frames", "9"], "shorter sequences"),
        (["--encoder", str(tmp_path / "none.safetensors"), "--run.folder", str(tmp_path)], "none.safetensors"),
        (["--run.folder", "None"], "--run.folder"),
    ]:
        with pytest.raises(SystemExit, match=f"error: .*{said}"):
            main(arguments)
    assert not (tmp_path / "run").exists()


def test_features_of_another_encoder_are_not_mixed_in(encoder, whole, tmp_path):
    other = save(VideoEncoder(EncoderConfig(32, 1, 2), torch.Generator().manual_seed(1)), tmp_path / "other.safetensors")
    said = ["--encoder", str(other), "--features", str(whole / "features"), "--episodes", str(EPISODES)]
    with pytest.raises(SystemExit, match="error: .*expected features with encoder"):
        main([*said, "--run.folder", str(tmp_path / "run")])


def test_all_files_of_a_world_are_there(whole):
    assert {f"{name}.safetensors" for name in FILES} <= {path.name for path in whole.iterdir()}
    assert load_world(whole).grid == (1, 1)
