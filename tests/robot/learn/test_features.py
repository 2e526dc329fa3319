"""A robot's data set becomes features on disk: those of each frame alone, whole episodes, and what the released stage takes."""

from pathlib import Path

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import save
from minijepa.train import post_train_command
from minijepa.train.feature_cache import FeatureCache, Recordings, open_shards
from minijepa.train.transitions import frame_tokens
from minijepa_robot.learn.features import EpisodeRecordings, main
from tests.robot import needs

pytestmark = needs.simulation
ROOT = Path(__file__).parents[3]
EPISODES = str(ROOT / "data_samples" / "episodes")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    config = EncoderConfig(32, 1, 2, patch=16)
    network = VideoEncoder(config, torch.Generator().manual_seed(0))
    return save(network, tmp_path_factory.mktemp("encoder") / "encoder.safetensors")


def said(encoder, out, data=EPISODES):
    said = f"--data {data} --encoder {encoder} --out {out} --size 32 --shard 3 --precision float32"
    return said.split()


def test_features_are_those_of_each_frame_of_whole_episodes(encoder, tmp_path):
    main(said(encoder, tmp_path))
    recordings = EpisodeRecordings(Path(EPISODES), size=32, shard=3)
    assert isinstance(recordings, Recordings) and recordings.shards == 3
    shards, _ = open_shards(tmp_path)
    fourth = list(recordings.episodes(1))[0]
    assert fourth.frames.shape == (25, 3, 32, 32)
    with torch.no_grad():
        wanted = frame_tokens(post_train_command.opened_encoder(str(encoder)), fourth.frames)
    torch.testing.assert_close(shards[1]["latents"][:25], wanted)
    moved = shards[1]["states"][1:25, :3] - shards[1]["states"][:24, :3]
    torch.testing.assert_close(shards[1]["actions"][:24, :3], moved)
    cache = FeatureCache(tmp_path, 8)
    assert cache.shape == (4, 32) and len(cache) == 8 * 18


def test_the_released_stage_learns_from_them(encoder, tmp_path):
    main(said(encoder, tmp_path / "features"))
    options = ["--recipe", "ac-vit-g", "--features", str(tmp_path / "features"), "--encoder", str(encoder), "--grid", "2", "2"]
    options += [
        "--predictor.encoder-width",
        "32",
        "--predictor.width",
        "24",
        "--predictor.depth",
        "1",
        "--predictor.heads",
        "2",
    ]
    options += [
        "--batch",
        "2",
        "--optim.steps",
        "2",
        "--run.device",
        "cpu",
        "--run.quiet",
        "--run.folder",
        str(tmp_path / "run"),
    ]
    post_train_command.main(options)
    assert (tmp_path / "run" / "predictor.safetensors").is_file()


def test_a_bad_episode_is_stepped_over_and_a_bad_part_is_refused(encoder, tmp_path, monkeypatch, capsys):
    read = EpisodeRecordings.recorded
    monkeypatch.setattr(EpisodeRecordings, "recorded", lambda self, n: broken(n == 4) or read(self, n))
    main(said(encoder, tmp_path / "some"))
    assert "a torn film" in capsys.readouterr().out
    assert [len(shard["lengths"]) for shard in open_shards(tmp_path / "some")[0]] == [3, 2, 2]
    monkeypatch.setattr(EpisodeRecordings, "recorded", lambda self, n: broken(True))
    with pytest.raises(SystemExit, match="no episode of part 0 could be used .*a torn film"):
        main(said(encoder, tmp_path / "none"))
    with pytest.raises(SystemExit, match="error: "):
        main(said(encoder, tmp_path / "none", tmp_path / "nowhere"))


def broken(yes):
    if yes:
        raise ValueError("a torn film")
