"""Encode a robot's data set once, for the released second stage: V-JEPA 2-AC on the features of a ViT-g, from DROID.

    python -m minijepa_robot.learn.features --data DROID --encoder vitg.pt --out runs/features --cut released --device cuda
    python -m minijepa.train.post_train --recipe ac-vit-g --features runs/features --run.folder runs/ac

``--data`` is anything that ``open_episodes`` takes: LeRobot, raw DROID, or what ``minijepa_robot.data.collect`` wrote. A run
that was stopped goes on where it was; under ``torchrun --nproc-per-node N`` every process encodes its share. Look at the data
first: ``python -m minijepa_robot.data.dry_run``.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
import tyro

from minijepa.train.feature_cache import Precision, Recorded, write_features
from minijepa.train.post_train_command import opened_encoder
from minijepa.train.processes import Processes
from minijepa_robot.data.dataset import open_episodes
from minijepa_robot.data.episodes import EpisodeError, EpisodeSource, actions, whole_at
from minijepa_robot.data.views import Cut, view


@dataclass(frozen=True)
class EpisodeRecordings:
    """Give whole episodes at one rate as ``minijepa.train.feature_cache.Recordings``; actions are derived from the states."""

    data: Path
    camera: str | None = None  # the first one of the data set; raw DROID: the left one
    size: int = 256  # px, side of a frame
    cut: Cut = "square"  # or "released": 1.35 times wider than high, squashed
    fps: float | int = 4  # Hz
    shard: int = 20  # episodes in a file; what a kill costs at most
    # what could not be used here, and why
    skipped: tyro.conf.Suppress[list[str]] = field(default_factory=list, repr=False, compare=False)

    @cached_property
    def source(self) -> EpisodeSource:
        """Open the data set once."""
        return open_episodes(self.data, (self.camera,) if self.camera else None)

    @property
    def name(self) -> str:
        """Tell what the episodes are."""
        facts = f"camera {self.source.cameras[0]}, {self.size} px, cut {self.cut}, {self.fps:g} Hz, {self.shard} a shard"
        return f"{self.data.name}: {len(self.source)} episodes, {facts}"

    @property
    def shards(self) -> int:
        """Give the number of files."""
        return -(-len(self.source) // self.shard)

    def episodes(self, shard: int) -> Iterator[Recorded]:
        """Give the episodes of a file; a bad one is stepped over, EpisodeError if there is no good one."""
        numbers = range(shard * self.shard, min((shard + 1) * self.shard, len(self.source)))
        bad = []
        for number in numbers:
            try:
                yield self.recorded(number)
            except (ValueError, OSError) as error:
                bad.append(f"{self.source.name(number)}: {error}")
        self.skipped.extend(bad)
        if len(bad) == len(numbers):
            raise EpisodeError.about(
                self.data, f"no episode of part {shard} could be used ({bad[0]})", "run data.dry_run on it"
            )

    def recorded(self, number: int) -> Recorded:
        """Read one episode; raises ValueError or OSError where that cannot be done."""
        episode, camera = self.source[number], self.source.cameras[0]
        part = episode.take(whole_at(episode.timestamps, self.fps), (camera,))
        frames, states = view(part.videos[camera], self.size, self.cut), torch.from_numpy(part.states).float()
        return Recorded(frames, torch.from_numpy(actions(part.states)).float(), states)


@dataclass(frozen=True)
class Features:
    """Encode every frame of a data set with a frozen encoder, and keep the tokens on disk."""

    encoder: str  # what minijepa.load opens
    out: Path  # folder of the features
    recordings: tyro.conf.OmitArgPrefixes[EpisodeRecordings]
    precision: Precision = "bfloat16"
    device: str = "cpu"
    batch: int = 64  # frames encoded at a time


def features(settings: Features) -> list[str]:
    """Encode what is missing; return the episodes that were stepped over in this run, with the reasons."""
    if not len(settings.recordings.source):
        raise EpisodeError.about(settings.recordings.data, "holds no episodes", "look at it with minijepa_robot.data.dry_run")
    encoder = opened_encoder(settings.encoder).to(settings.device).eval()
    with Processes.join(settings.device) as processes:
        share = {"rank": processes.rank, "world": processes.world}
        write_features(settings.out, encoder, settings.recordings, settings.precision, settings.batch, quiet=False, **share)
        return sorted(processes.union(settings.recordings.skipped))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what cannot work ends it with one line instead of a traceback."""
    try:
        skipped = features(tyro.cli(Features, args=arguments, prog="minijepa_robot.learn.features", description=__doc__))
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from error
    sys.stdout.write("".join(f"skipped {line}\n" for line in skipped))


if __name__ == "__main__":
    main()
