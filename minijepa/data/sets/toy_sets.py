"""Write toy worlds to disk in the formats of real data sets, so that the readers and evaluators of those run on them too.

`write_ssv2` gives short clips of one motion each. `write_epic` gives longer videos in which a ball crosses two lines again
and again: each crossing is an action with a start, a stop, a verb (which way) and a noun (how fast). Both know the truth from
the state of the world and not from pixels.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from minijepa.data.sets.epic_kitchens import COLUMNS
from minijepa.data.toy_physics import ToyClips, World, sample, split_generator
from minijepa.data.toy_world import SHAPES
from minijepa.data.write import write_clip

HEADINGS = ("right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right")
NOUNS = ("slow ball", "middling ball", "fast ball")
VERBS = ("cross rightwards", "cross leftwards", "cross downwards", "cross upwards")
SETS_SEED = 120  # added to the caller's seed; training, probes and studies draw their clips from others


class Crossing(NamedTuple):
    """Say when a ball lies on a line and which way it crosses."""

    start: int  # first frame in which the ball touches the line
    stop: int  # last one
    verb: int  # place in VERBS
    noun: int  # place in NOUNS: the speed of the ball


def write_ssv2(root: Path, world: World, counts: Mapping[str, int], seed: int = 0, fps: int = 12) -> Path:
    """Write clips of a world as Something-Something v2 has them: json lists and webm files, the heading as template.

    Args:
        root: folder to write into; it is made.
        world: of one shape.
        counts: clips of "train" and "validation".
        seed: of the clips, 0 to 99.
        fps: of the files, Hz; 12 in the real ones.

    Returns:
        The root, which `minijepa.data.sets.ssv2` reads.
    """
    videos, lists = root / "20bn-something-something-v2", root / "labels"
    for folder in (videos, lists):
        folder.mkdir(parents=True, exist_ok=True)
    templates = [f"Moving [something] {heading}" for heading in HEADINGS]
    plain = {template.replace("[", "").replace("]", ""): str(i) for i, template in enumerate(templates)}
    (lists / "labels.json").write_text(json.dumps(plain))
    first = 1
    for split, count in counts.items():
        clips, entries = sample(world, count, split_generator(split, SETS_SEED + seed)), []
        for i, (heading, shape) in enumerate(
            zip(clips.labels["direction"].tolist(), clips.labels["shape"].tolist(), strict=True)
        ):
            name, template = str(first + i), templates[heading]
            label = template.replace("[something]", f"a {SHAPES[shape]}")
            entries.append({"id": name, "label": label, "template": template, "placeholders": [f"a {SHAPES[shape]}"]})
            write_clip(videos / f"{name}.webm", clips.video[i], fps, quality=8)
        (lists / f"{split}.json").write_text(json.dumps(entries))
        first += count
    return root


def write_epic(root: Path, world: World, counts: Mapping[str, int], seed: int = 0, fps: int = 8) -> Path:
    """Write videos of a world as EPIC-KITCHENS-100 has them: annotation CSV and mp4 files; every crossing is a row.

    Args:
        root: folder to write into; it is made.
        world: of one shape on a torus, with enough frames for some crossings.
        counts: videos of "train" (participant P01) and "validation" (P02).
        seed: of the videos, 0 to 99.
        fps: of the files, Hz; 50 or 59.94 in the real ones.

    Returns:
        The root, which `minijepa.data.sets.epic_kitchens` reads.
    """
    for split, count in counts.items():
        person = "P01" if split == "train" else "P02"
        (root / person / "videos").mkdir(parents=True, exist_ok=True)
        clips, rows = sample(world, count, split_generator(split, SETS_SEED + seed)), []
        for i in range(count):
            video = f"{person}_{i + 1:02d}"
            write_clip(root / person / "videos" / f"{video}.MP4", clips.video[i], fps, quality=8)
            rows += [_row(video, len(rows) + j, crossing, fps) for j, crossing in enumerate(crossings(clips, i))]
        with (root / f"EPIC_100_{split}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=[*COLUMNS, "narration", "verb", "noun"])
            table.writeheader()
            table.writerows(rows)
    return root


def crossings(clips: ToyClips, index: int) -> list[Crossing]:
    """List when the lead object of a clip lies on the vertical or the horizontal middle line, and which way it crosses.

    It lies on a line while its centre is nearer than the radius of the disc of its area. A crossing that is under way in the
    first or the last frame is left out, and so is a ball that rolls along the line.
    """
    position, velocity = clips.state.position[index, :, 0], clips.state.velocity[index, 0, 0]
    middle, radius = clips.video.shape[-1] / 2, float(clips.state.radius[index, 0])
    noun, found = int(clips.labels["speed"][index]), []
    for axis in (0, 1):  # x, then y
        if abs(float(velocity[axis])) < 0.2 * float(velocity.norm()):
            continue
        on = ((position[:, axis] - middle).abs() <= radius).long()
        change = torch.diff(on).tolist()
        starts = [i + 1 for i, step in enumerate(change) if step == 1]
        stops = [i for i, step in enumerate(change) if step == -1]
        verb = 2 * axis + int(velocity[axis] < 0)
        found += [Crossing(a, min(b for b in stops if b >= a), verb, noun) for a in starts if any(b >= a for b in stops)]
    return sorted(found)


def _row(video: str, number: int, crossing: Crossing, fps: int) -> dict[str, str | int]:
    """Write one line of the annotation."""
    person, _ = video.split("_")
    start, stop = _clock(crossing.start / fps), _clock(crossing.stop / fps)
    names = VERBS[crossing.verb], NOUNS[crossing.noun]
    values = (f"{video}_{number}", person, video, start, stop, crossing.start, crossing.stop, crossing.verb, crossing.noun)
    return dict(zip(COLUMNS, values, strict=True)) | {"narration": " ".join(names), "verb": names[0], "noun": names[1]}


def _clock(seconds: float) -> str:
    """Write 62.5 s as 00:01:02.50."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:05.2f}"
