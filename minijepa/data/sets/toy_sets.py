"""Write toy worlds to disk in the formats of real data sets, so that the readers and evaluators of those run on them too.

`write_ssv2` gives short clips of one motion each. `write_epic` gives longer videos in which a ball with a will of its own
crosses two lines again and again: each crossing is an action with a start, a stop, a verb (which way) and a noun (how
fast). Both know the truth from the state of the world and not from pixels.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from minijepa.data.sets.epic_kitchens import COLUMNS
from minijepa.data.toy_physics import ToyClips, World, sample, split_generator
from minijepa.data.toy_render import draw
from minijepa.data.toy_start import COMPASS
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


def write_epic(
    root: Path, world: World, counts: Mapping[str, int], seed: int = 0, fps: int = 8, turns: float | int = 1 / 12
) -> Path:
    """Write videos of a world as EPIC-KITCHENS-100 has them: annotation CSV and mp4 files; every crossing is a row.

    Args:
        root: folder to write into; it is made.
        world: of one shape on a torus, with enough frames for some crossings.
        counts: videos of "train" (participant P01) and "validation" (P02).
        seed: of the videos, 0 to 99.
        fps: of the files, Hz; 50 or 59.94 in the real ones.
        turns: chance that the ball takes a fresh heading in a frame; 0: it goes straight on for ever.

    Returns:
        The root, which `minijepa.data.sets.epic_kitchens` reads.
    """
    for split, count in counts.items():
        person = "P01" if split == "train" else "P02"
        (root / person / "videos").mkdir(parents=True, exist_ok=True)
        generator = split_generator(split, SETS_SEED + seed)
        clips, rows = wander(sample(world, count, generator), world, turns, generator), []
        for i in range(count):
            video = f"{person}_{i + 1:02d}"
            write_clip(root / person / "videos" / f"{video}.MP4", clips.video[i], fps, quality=8)
            rows += [_row(video, len(rows) + j, crossing, fps) for j, crossing in enumerate(crossings(clips, i))]
        with (root / f"EPIC_100_{split}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=[*COLUMNS, "narration", "verb", "noun"])
            table.writeheader()
            table.writerows(rows)
    return root


def wander(clips: ToyClips, world: World, turns: float | int, generator: torch.Generator) -> ToyClips:
    """Let the lone object of each clip turn to a fresh heading at random frames, at the same speed, and draw it again.

    Its past no longer tells all of its future, as with people. Labels other than speed and shape do not hold any more.
    """
    state = clips.state
    count, frames = state.position.shape[:2]
    pace = state.velocity[:, :1].norm(dim=-1, keepdim=True)  # (b, 1, 1, 1)
    fresh = torch.randint(len(COMPASS), (count, frames), generator=generator)
    turn = torch.rand(count, frames, generator=generator) < turns
    since = torch.where(turn, torch.arange(frames), 0).cummax(1).values  # frame of the last turn, 0 before the first
    velocity = torch.tensor(COMPASS, dtype=torch.float64)[fresh.gather(1, since)][:, :, None] * pace
    velocity = torch.where(since[..., None, None] > 0, velocity, state.velocity[:, :1])
    moved = torch.cat([torch.zeros_like(velocity[:, :1]), velocity[:, :-1].cumsum(1)], dim=1)
    position = (state.position[:, :1] + moved) % world.size
    state = replace(state, position=position, velocity=velocity)
    labels = {name: clips.labels[name] for name in ("speed", "shape")}
    return replace(clips, video=draw(state, world, generator, torch.device("cpu")), labels=labels, state=state)


def crossings(clips: ToyClips, index: int) -> list[Crossing]:
    """List when the lead object of a clip lies on the vertical or the horizontal middle line, and which way it crosses.

    It lies on a line while its centre is nearer than the radius of the disc of its area. Left out are a crossing that is
    under way in the first or the last frame, and a visit after which the ball leaves on the side where it came from.
    """
    position = clips.state.position[index, :, 0]
    middle, radius = clips.video.shape[-1] / 2, float(clips.state.radius[index, 0])
    noun, found = int(clips.labels["speed"][index]), []
    for axis in (0, 1):  # x, then y
        away = position[:, axis] - middle
        change = torch.diff((away.abs() <= radius).long()).tolist()
        starts = [i + 1 for i, step in enumerate(change) if step == 1]
        for start in starts:
            stop = next((i for i, step in enumerate(change) if step == -1 and i >= start), None)
            if stop is not None and away[start - 1] * away[stop + 1] < 0:
                found.append(Crossing(start, stop, 2 * axis + int(away[start - 1] > 0), noun))
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
