"""Keep the frozen features of every frame on disk: encoded once, drawn from without reading the rest.

A frame of ViT-g is 256 x 1,408 numbers, 0.7 MB in bfloat16, and a robot's data set has hundreds of thousands of frames. A cache
is a folder of shards; each is a safetensors file with whole episodes, which is mapped into memory, so that only the pages of
drawn sequences are read.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import ReachWorld, sample_episodes
from minijepa.model.checkpoint_files import read_safetensors
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import write
from minijepa.train.transitions import CHUNK, Transitions, frame_tokens

Precision = Literal["float32", "bfloat16", "float16"]


class Recorded(NamedTuple):
    """Hold one episode as it was recorded."""

    frames: UInt8[Tensor, "f 3 H W"]
    actions: Float[Tensor, "t action"]  # t = f - 1: what was done between one frame and the next
    states: Float[Tensor, "f state"]


@runtime_checkable
class Recordings(Protocol):
    """Ask three things of episodes: who they are, in how many parts they come, and each part by its number."""

    name: str  # all that decides what the episodes are, in words
    shards: int

    def episodes(self, shard: int) -> Iterator[Recorded]:
        """Give the episodes of a part, the same ones every time."""


@dataclass(frozen=True)
class ReachRecordings:
    """Let the random policy act in the plane: the episodes of ``encode_episodes``, in its chunks."""

    world: ReachWorld
    count: int  # episodes
    steps: int  # actions in each
    split: str
    seed: int

    @property
    def name(self) -> str:
        """Tell what is drawn."""
        return repr(self)

    @property
    def shards(self) -> int:
        """Give the number of chunks."""
        return -(-self.count // CHUNK)

    def episodes(self, shard: int) -> Iterator[Recorded]:
        """Give the episodes of a chunk."""
        count = min(CHUNK, self.count - shard * CHUNK)
        drawn = sample_episodes(self.world, count, self.steps, split_generator(self.split, self.seed, shard))
        yield from map(Recorded, drawn.video.transpose(1, 2), drawn.actions, drawn.states)


def encoder_hash(encoder: VideoEncoder) -> str:
    """Name an encoder by its config and every number of its weights."""
    digest = hashlib.sha256(repr(encoder.config).encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def write_features(
    folder: Path,
    encoder: VideoEncoder,
    recordings: Recordings,
    precision: Precision = "float32",
    batch: int = 64,
    rank: int = 0,
    world: int = 1,
    quiet: bool = True,
) -> None:
    """Encode every episode, shard by shard; what is there already is not encoded again.

    encoder: frozen, on the device that is to do the work. batch: frames encoded at a time.
    rank, world: this process and how many there are, each of which writes every ``world``-th shard.
    A kill at any moment costs one shard of each process. Raises ValueError if the folder holds features of another encoder,
    of other episodes or in another precision.

    Differs: the official trainer encodes again in every step. What it calls a random crop is always the same centre crop on
    16:9 films, so a cache lacks only other moments between the frames that were kept.
    """
    facts = {"encoder": encoder_hash(encoder), "episodes": recordings.name, "precision": precision}
    facts["shards"] = str(recordings.shards)
    for path in sorted(folder.glob("*.safetensors")):
        require_same(path, facts)
    for shard in tqdm(range(rank, recordings.shards, world), disable=quiet or rank > 0, unit="shard"):
        path = shard_path(folder, shard)
        for part in folder.glob(f".{path.name}.*.part"):  # what a kill in the middle of writing left
            part.unlink()
        if not path.exists():
            write(encode_shard(encoder, recordings.episodes(shard), precision, batch), path, facts)


def require_same(path: Path, facts: dict[str, str]) -> None:
    """Raise ValueError if a shard was written with something else."""
    there = read_safetensors(path)[1]
    wrong = [key for key, value in facts.items() if there.get(key) != value]
    if wrong:
        raise ValueError(
            f"{path}: expected features with {', '.join(f'{key} {facts[key]}' for key in wrong)}, got "
            f"{', '.join(str(there.get(key)) for key in wrong)}; choose another folder, or delete this one"
        )


def shard_path(folder: Path, shard: int) -> Path:
    """Give the file of a shard."""
    return folder / f"{shard:05d}.safetensors"


def encode_shard(encoder: VideoEncoder, episodes: Iterator[Recorded], precision: Precision, batch: int) -> dict[str, Tensor]:
    """Return the tensors of a shard: all frames of its episodes one after the other, and how many each has."""
    device, dtype = next(encoder.parameters()).device, getattr(torch, precision)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for frames, actions, states in episodes:
        if len(actions) != len(frames) - 1 or len(states) != len(frames):
            counts = f"{len(frames)}, {len(states)} and {len(actions)}"
            raise ValueError(f"expected f frames, f states and f - 1 actions in an episode, got {counts}")
        tokens = [frame_tokens(encoder, some.to(device)).to("cpu", dtype) for some in frames.split(batch)]
        parts.append((torch.cat(tokens), F.pad(actions, (0, 0, 0, 1)), states))  # after the last frame nothing is done
    latents, actions, states = (torch.cat(part) for part in zip(*parts))
    lengths = torch.tensor([len(part[0]) for part in parts])
    return {"latents": latents, "actions": actions, "states": states, "lengths": lengths}


class FeatureCache:
    """Draw sequences of ``frames`` frames from a cache, every place where one fits; shorter episodes are left out."""

    def __init__(self, folder: Path, frames: int) -> None:
        self.folder, self.frames = folder, frames
        self.shards, facts = open_shards(folder)
        self.encoder, self.episodes = facts["encoder"], facts["episodes"]  # the hash, and the name of the recordings
        self.starts = [first_frames(shard["lengths"], frames) for shard in self.shards]
        self.ends = torch.tensor([len(starts) for starts in self.starts]).cumsum(0)
        if not len(self):
            raise ValueError(f"{folder}: expected episodes of at least {frames} frames, got none; ask for shorter sequences")

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """Give the tokens of a frame and their width."""
        _, tokens, width = self.shards[0]["latents"].shape
        return tokens, width

    def rows(self, index: Int64[Tensor, "b"]) -> Transitions:
        """Read some sequences, in float32."""
        picked = [self._one(int(shard), int(i)) for shard, i in zip(torch.searchsorted(self.ends, index, right=True), index)]
        return Transitions(*(torch.stack(part).float() for part in zip(*picked)))

    def load(self) -> Transitions:
        """Read all sequences: for caches that fit in memory."""
        return self.rows(torch.arange(len(self)))

    def identity(self) -> str:
        """Tell whose features these are, for the settings of a run."""
        return f"{len(self)} of {self.frames} frames by encoder {self.encoder} of {self.episodes}"

    def _one(self, shard: int, i: int) -> tuple[Tensor, Tensor, Tensor]:
        known, starts = self.shards[shard], self.starts[shard]
        first = int(starts[i - int(self.ends[shard]) + len(starts)])
        frames, steps = slice(first, first + self.frames), slice(first, first + self.frames - 1)
        return known["latents"][frames], known["actions"][steps], known["states"][frames]


def open_shards(folder: Path) -> tuple[list[dict[str, Tensor]], dict[str, str]]:
    """Map all shards of a cache; return them and what they have in common.

    Raises FileNotFoundError if there is none, ValueError if some are missing or were written with something else.
    """
    if not shard_path(folder, 0).exists():
        raise FileNotFoundError(f"{folder}: expected a cache of features with {shard_path(folder, 0).name}, got none")
    facts = read_safetensors(shard_path(folder, 0))[1]
    paths = [shard_path(folder, shard) for shard in range(int(facts["shards"]))]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise ValueError(
            f"{folder}: expected {len(paths)} shards, got all but {len(missing)}, {missing[0]} the first; write the features "
            "again, which goes on where it was stopped"
        )
    for path in paths:
        require_same(path, facts)
    return [read_safetensors(path)[0] for path in paths], facts


def first_frames(lengths: Int64[Tensor, "episodes"], frames: int) -> Int64[Tensor, "sequences"]:
    """Return the frame of a shard at which each sequence begins; none reaches into the next episode."""
    begins = lengths.cumsum(0) - lengths
    fits = [begin + torch.arange(max(0, int(length) - frames + 1)) for begin, length in zip(begins, lengths)]
    return torch.cat(fits)
