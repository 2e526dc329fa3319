"""The command ``python -m minijepa_robot.data.dry_run PATH``: will my copy of DROID train?

PATH is the folder of a LeRobot data set, a folder above episodes of raw DROID, or a text file that names them a line. Lists
and file names are checked for all episodes, numbers and pictures for a few. Ends with 1 if the copy will not train as it is.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from minijepa.config import EncoderConfig
from minijepa.train.cost import encoder_flops
from minijepa_robot.data.dataset import open_episodes
from minijepa_robot.data.episodes import actions
from minijepa_robot.data.inspection import Inventory, Sample, choose, inventory, look

Level = Literal["ok", "note", "bad"]
EXAMPLES = 3  # missing files and problems that are named
FAR, TURN, EDGE = 3.0, 2 * np.pi, 0.05  # m, rad and closedness beyond which a number must mean something else
LONG = 0.5  # m; a change of a clip's step that no arm makes in 250 ms


@dataclass(frozen=True)
class DryRun:
    """Look over a copy of a robot data set and tell whether it will train. Ends with 1 if it will not."""

    path: tyro.conf.Positional[Path]  # LeRobot folder, folder of raw DROID, or a text file with an episode folder a line
    cameras: tuple[str, ...] = ()  # wanted ones; none: all of a LeRobot data set, the left one of raw DROID
    sample: int = 24  # episodes that are opened
    seed: int = 0  # of their choice
    frames: int = 8  # in a clip
    fps: float | int = 4  # Hz, of a clip
    encoder: Literal["tiny", "vit_l", "vit_h", "vit_g"] = "vit_g"  # whose features would be kept on disk
    tflops: float | int = 100  # 10^12 operations a second that your machine keeps up, for the hours of encoding


@dataclass(frozen=True)
class Finding:
    """Say one thing about a data set."""

    level: Level
    name: str
    text: str

    def line(self) -> str:
        """Write it as a line of the table."""
        return f"  {'!' if self.level == 'bad' else '?' if self.level == 'note' else ' '} {self.name:<12} {self.text}"


def examine(settings: DryRun) -> list[Finding]:
    """Look over a data set; raises EpisodeError where there is none at all."""
    source = open_episodes(settings.path, settings.cameras or None)
    found = inventory(source)
    sample = look(source, choose(len(source), settings.sample, settings.seed))
    findings = [*inventory_findings(found), *sample_findings(sample)]
    if sample.episodes:
        findings += [*time_findings(sample), *position_findings(sample), *gripper_findings(sample)]
        findings += [*picture_findings(sample), *clip_findings(sample, found, settings)]
    return findings


def inventory_findings(found: Inventory) -> list[Finding]:
    """Tell of all episodes."""
    rows = f", {found.rows} rows" if found.rows else ""
    cameras = ", ".join(f"{name} ({count})" for name, count in found.cameras.items()) or "none"
    findings = [Finding("ok", "episodes", f"{found.episodes} as {found.form}{rows}")]
    findings.append(Finding("ok" if found.cameras else "bad", "cameras", cameras))
    level = "bad" if 2 * len(found.missing) > found.files else "note"  # training steps over a bad episode
    findings += [Finding(level, "missing", path) for path in found.missing[:EXAMPLES]]
    if len(found.missing) > EXAMPLES:
        findings.append(Finding(level, "missing", f"{len(found.missing) - EXAMPLES} more of {found.files} files"))
    return findings


def sample_findings(sample: Sample) -> list[Finding]:
    """Tell how many of the opened episodes can be used: training steps over bad ones, but not if they are many."""
    good, bad = len(sample.episodes), len(sample.problems)
    level = "bad" if not good or bad > good else "note" if bad else "ok"
    findings = [Finding(level, "opened", f"{good} of {good + bad} episodes of the sample can be used")]
    return findings + [Finding("note", "problem", text) for text in sample.problems[:EXAMPLES]]


def time_findings(sample: Sample) -> list[Finding]:
    """Tell the true rate of the rows beside the one at which the files play."""
    steps = sample.steps
    rate = 1 / np.median(steps) if len(steps) else 0.0
    findings = [Finding("ok", "rate", f"{rate:.2f} Hz by time stamps; longest gap {steps.max(initial=0):.3f} s")]
    odd = sorted({film.playback for film in sample.films if abs(film.playback - rate) > 0.05 * rate})
    if odd:
        text = f"videos play at {', '.join(f'{x:g}' for x in odd)} Hz; clips are cut by time stamps, so this does no harm"
        findings.append(Finding("note", "playback", text))
    return findings


def position_findings(sample: Sample) -> list[Finding]:
    """Tell the ranges of places and angles, and whether they are metres and radians."""
    low, high = sample.states.min(0), sample.states.max(0)
    far, turn = np.abs(sample.states[:, :3]).max(), np.abs(sample.states[:, 3:6]).max()
    places = "  ".join(f"{axis} {low[i]:.3f}..{high[i]:.3f}" for i, axis in enumerate("xyz"))
    angles = "  ".join(f"{low[i]:.2f}..{high[i]:.2f}" for i in (3, 4, 5))
    still = bool((high[:3] - low[:3] < 1e-4).all())
    found = [Finding("bad" if far > FAR else "ok", "place", f"{places} m" + (" (not metres?)" if far > FAR else ""))]
    if still:
        found.append(Finding("bad", "place", "the hand never moves"))
    found.append(Finding("bad" if turn > TURN else "ok", "angles", f"{angles} rad" + (" (degrees?)" if turn > TURN else "")))
    text = f"{sample.wraps} times an angle passes pi; actions are derived with matrices, so this does no harm"
    return [*found, Finding("ok", "wraps", text)]


def gripper_findings(sample: Sample) -> list[Finding]:
    """Tell the range of closedness, and whether 0 seems to be open: arms begin with an open hand."""
    closed = sample.states[:, 6]
    low, high = closed.min(), closed.max()
    starts = np.array([episode.states[0, 6] for episode in sample.episodes])
    text = f"{low:.3f}..{high:.3f}; at the start of an episode {np.median(starts):.2f} (0 open .. 1 closed is wanted)"
    if low < -EDGE or high > 1 + EDGE:
        return [Finding("bad", "gripper", f"{text}: outside of 0..1")]
    if high < 0.15:
        return [Finding("note", "gripper", f"{text}: it never closes, or this is an opening in metres")]
    if np.median(starts) > 0.5:
        return [Finding("note", "gripper", f"{text}: most episodes begin closed; is 1 open here?")]
    return [Finding("ok", "gripper", text)]


def picture_findings(sample: Sample) -> list[Finding]:
    """Tell what the videos need to be decoded, and how large they are."""
    codecs = sorted({film.codec for film in sample.films})
    sizes = sorted({film.size for film in sample.films})
    how = "PyAV" + (" with libdav1d; decord cannot" if "av1" in codecs else "")
    findings = [Finding("ok", "pictures", f"{', '.join(f'{h} x {w}' for h, w in sizes)}; {', '.join(codecs)}, read by {how}")]
    known = sum(set(episode.extrinsics) >= set(episode.videos) for episode in sample.episodes)
    text = f"known in {known} of {len(sample.episodes)} opened episodes (training does without)"
    return findings + [Finding("ok", "extrinsics", text)]


def clip_findings(sample: Sample, found: Inventory, settings: DryRun) -> list[Finding]:
    """Tell how much there is to train on, and what keeping its features would take."""
    clips = sample.clips(settings.frames, settings.fps)
    each = np.mean([len(rows) for rows in clips])
    kind = f"{settings.frames} frames at {settings.fps:g} Hz"
    if not each:
        return [Finding("bad", "clips", f"no opened episode holds a clip of {kind}")]
    usable = found.episodes * len(sample.episodes) / (len(sample.episodes) + len(sample.problems))
    moves = np.concatenate([actions(e.states[row]) for e, rows in zip(sample.episodes, clips) for row in rows])
    step = np.abs(moves[:, :3]).max(1)
    text = f"a step of a clip moves {np.median(step) * 100:.1f} cm in the middle, {step.max() * 100:.1f} cm at most"
    findings = [Finding("note" if step.max() > LONG else "ok", "steps", text)]
    findings.append(
        Finding("ok", "clips", f"{each:.1f} an episode of {kind} that share no row, about {each * usable:.0f} in all")
    )
    return [*findings, encoding_finding(sample, usable, settings)]


def encoding_finding(sample: Sample, usable: float | int, settings: DryRun) -> Finding:
    """Estimate what it takes to encode every frame of one camera once and to keep its tokens as 16-bit numbers."""
    config = getattr(EncoderConfig, settings.encoder)()
    seconds = np.mean([episode.timestamps[-1] - episode.timestamps[0] for episode in sample.episodes])
    frames, tokens = usable * seconds * settings.fps, (256 // config.patch) ** 2
    gigabytes = frames * tokens * config.width * 2 / 1e9
    hours = frames * sum(encoder_flops(config, tokens)) / (settings.tflops * 1e12) / 3600
    text = f"{settings.encoder} at 256 px, one camera: about {frames:.0f} frames, {gigabytes:.1f} GB of features"
    return Finding("ok", "encoding", f"{text}, {hours:.2f} h at {settings.tflops:g} Tflop/s (an estimate, nothing was run)")


def verdict(findings: Sequence[Finding]) -> str:
    """Sum up in one line."""
    bad = sorted({finding.name for finding in findings if finding.level == "bad"})
    notes = sum(finding.level == "note" for finding in findings)
    if bad:
        return f"will not train as it is: see {', '.join(bad)}"
    return f"will train{f'; look at the {notes} lines that begin with a question mark' if notes else ''}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a wrong path ends it with one line instead of a traceback."""
    settings = tyro.cli(DryRun, args=arguments, prog="minijepa_robot.data.dry_run")
    try:
        findings = examine(settings)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    lines = [str(settings.path), *(finding.line() for finding in findings), f"verdict: {verdict(findings)}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(finding.level == "bad" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
