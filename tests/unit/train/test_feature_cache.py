"""Features on disk are those of the encoder, are written once, go on after a kill, and are read a page at a time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.data.toy_reach import ReachWorld
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import write
from minijepa.train import feature_cache
from minijepa.train.feature_cache import FeatureCache, ReachRecordings, Recorded, Recordings, encoder_hash, write_features
from minijepa.train.transitions import CHUNK, Sequences, encode_episodes, frame_tokens

EPISODES = CHUNK + 6  # two shards


def encoder(seed: int = 0) -> VideoEncoder:
    return VideoEncoder(EncoderConfig(32, 1, 2), torch.Generator().manual_seed(seed)).eval()


def recordings(seed: int = 0) -> ReachRecordings:
    return ReachRecordings(ReachWorld(), EPISODES, 2, "train", seed)


class Uneven:
    """Episodes of 2, 5 and 3 frames in the first shard, and of 4 in the second; each number tells its frame."""

    name, shards = "uneven", 2

    def episodes(self, shard: int) -> Iterator[Recorded]:
        for episode, length in enumerate((2, 5, 3) if shard == 0 else (4,)):
            known = 100.0 * shard + 10.0 * episode + torch.arange(length)[:, None]
            frames = torch.randint(0, 256, (length, 3, 32, 32), generator=torch.Generator().manual_seed(int(known[0])))
            yield Recorded(frames.to(torch.uint8), known[:-1] + 0.5, known)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    write_features(folder, encoder(), recordings())
    return folder


def test_a_cache_holds_what_encoding_in_memory_gives(folder):
    cache, known = FeatureCache(folder, 3), encode_episodes(encoder(), ReachWorld(), EPISODES, 2, "train", 0)
    assert isinstance(cache, Sequences) and isinstance(recordings(), Recordings)
    assert len(cache) == len(known) == EPISODES and cache.shape == tuple(known.latents.shape[2:])
    index = torch.tensor([0, EPISODES - 1, 3, CHUNK, CHUNK - 1, 3])
    ours, theirs = cache.rows(index), known.rows(index)
    assert torch.equal(ours.actions, theirs.actions) and torch.equal(ours.states, theirs.states)
    assert torch.allclose(ours.latents, theirs.latents, atol=1e-5) and theirs.latents.std() > 0.5
    assert torch.equal(cache.load().actions, known.actions)


def test_sequences_begin_at_every_frame_and_never_leave_their_episode(tmp_path):
    write_features(tmp_path, encoder(), Uneven(), batch=2)
    cache = FeatureCache(tmp_path, 3)
    known = cache.load()
    assert known.states[:, 0, 0].tolist() == [10.0, 11.0, 12.0, 20.0, 100.0, 101.0] and len(cache) == 6
    assert torch.equal(known.states[:, :, 0], known.states[:, :1, 0] + torch.arange(3))
    assert torch.equal(known.actions, known.states[:, :-1] + 0.5)
    frames = list(Uneven().episodes(0))[1].frames
    assert torch.allclose(known.latents[1], frame_tokens(encoder(), frames[1:4]), atol=1e-5)
    assert len(FeatureCache(tmp_path, 5)) == 1
    with pytest.raises(ValueError, match="shorter sequences"):
        FeatureCache(tmp_path, 6)


def test_what_is_there_is_not_encoded_again(folder, tmp_path, monkeypatch):
    def stamps() -> list[int]:
        return [path.stat().st_mtime_ns for path in sorted(folder.glob("*.safetensors"))]

    before = stamps()
    monkeypatch.setattr(feature_cache, "frame_tokens", None)  # would fail if it were called
    write_features(folder, encoder(), recordings())
    assert stamps() == before and len(before) == 2
    with pytest.raises(TypeError):
        write_features(tmp_path, encoder(), recordings())


@pytest.mark.parametrize("other, word", [((encoder(1), recordings(0)), "encoder"), ((encoder(0), recordings(1)), "episodes")])
def test_other_encoders_and_episodes_are_refused(folder, other, word):
    with pytest.raises(ValueError, match=f"expected features with {word} .*another folder"):
        write_features(folder, *other)
    with pytest.raises(ValueError, match="precision bfloat16, got float32"):
        write_features(folder, encoder(), recordings(), precision="bfloat16")


def test_a_cache_of_two_encoders_is_not_opened(tmp_path):
    write_features(tmp_path / "a", encoder(), Uneven())
    write_features(tmp_path / "b", encoder(1), Uneven())
    (tmp_path / "b" / "00001.safetensors").replace(tmp_path / "a" / "00001.safetensors")
    with pytest.raises(ValueError, match=f"expected features with encoder {encoder_hash(encoder())}"):
        FeatureCache(tmp_path / "a", 2)


def test_a_cache_that_is_not_whole_is_not_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a cache"):
        FeatureCache(tmp_path, 2)
    write_features(tmp_path, encoder(), Uneven(), rank=0, world=2)
    with pytest.raises(ValueError, match="all but 1, 00001.safetensors"):
        FeatureCache(tmp_path, 2)
    write_features(tmp_path, encoder(), Uneven(), rank=1, world=2)
    assert len(FeatureCache(tmp_path, 2)) == 1 + 4 + 2 + 3


def test_the_hash_knows_config_and_every_weight():
    one, other = encoder(), encoder()
    assert encoder_hash(one) == encoder_hash(other) != encoder_hash(encoder(1))
    with torch.no_grad():
        other.norm.bias[3] += 1e-6
    assert encoder_hash(one) != encoder_hash(other)
    assert encoder_hash(one) != encoder_hash(VideoEncoder(EncoderConfig(32, 1, 4), torch.Generator().manual_seed(0)))


def test_half_the_disk_in_bfloat16(folder, tmp_path):
    write_features(tmp_path, encoder(), recordings(), precision="bfloat16")
    half, whole = FeatureCache(tmp_path, 3).load(), FeatureCache(folder, 3).load()
    assert half.latents.dtype == torch.float32 and torch.equal(half.latents, whole.latents.bfloat16().float())
    sizes = [(path / "00000.safetensors").stat().st_size for path in (tmp_path, folder)]
    assert sizes[0] < 0.6 * sizes[1]


def test_episodes_that_do_not_fit_together_are_refused(tmp_path):
    class Wrong(Uneven):
        def episodes(self, shard):
            for frames, actions, states in super().episodes(shard):
                yield Recorded(frames, actions[:-1], states)

    with pytest.raises(ValueError, match="f - 1 actions in an episode, got 2, 2 and 0"):
        write_features(tmp_path, encoder(), Wrong())
    assert not list(tmp_path.iterdir())


KILL_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from tests.unit.train.test_feature_cache import encoder, recordings, write_features
write = os.replace
def replace(source, target):
    if str(target).endswith("00001.safetensors"):
        os.truncate(source, 1000)  # the write had not come to its end
        os.kill(os.getpid(), signal.SIGKILL)
    write(source, target)
os.replace = replace
write_features(Path(sys.argv[1]), encoder(), recordings())
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_shards_and_is_gone_on_from(folder, tmp_path):
    command = [sys.executable, "-c", KILL_WHILE_WRITING, str(tmp_path)]
    assert subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == -signal.SIGKILL
    assert [path.name for path in sorted(tmp_path.glob("*.safetensors"))] == ["00000.safetensors"]
    assert list(tmp_path.glob(".*.part"))
    write_features(tmp_path, encoder(), recordings())
    assert not list(tmp_path.glob(".*.part"))
    ours, whole = FeatureCache(tmp_path, 3).load(), FeatureCache(folder, 3).load()
    assert torch.allclose(ours.latents, whole.latents, atol=1e-5) and torch.equal(ours.states, whole.states)


DRAW_A_FEW = """
import sys
from pathlib import Path
import torch
from minijepa.train.feature_cache import FeatureCache

def resident():
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS")).split()[1])

before = resident()
cache = FeatureCache(Path(sys.argv[1]), 2)
for i in range(8):
    cache.rows(torch.randint(len(cache), (4,), generator=torch.Generator().manual_seed(i)))
print((resident() - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_drawing_reads_a_few_pages_and_not_the_cache(tmp_path):
    facts = {"encoder": "x", "episodes": "many", "precision": "float32", "shards": "4"}
    for shard in range(4):  # 64 MB each; frames of 32 kB
        tensors = {"latents": torch.zeros(2048, 16, 512), "actions": torch.zeros(2048, 2), "states": torch.zeros(2048, 2)}
        write(tensors | {"lengths": torch.full((128,), 16)}, tmp_path / f"{shard:05d}.safetensors", facts)
    grown = float(subprocess.check_output([sys.executable, "-c", DRAW_A_FEW, str(tmp_path)]))
    assert grown < 64, f"{grown} MB of 256 were read for 2 MB of sequences"
