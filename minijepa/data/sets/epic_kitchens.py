"""EPIC-KITCHENS-100: long kitchen videos from a head camera, and which verb is done to which noun from when to when.

Layout:

    EPIC_100_train.csv, EPIC_100_validation.csv    (here, in annotations/ or in epic-kitchens-100-annotations/)
    P01/videos/P01_01.MP4 or P01/P01_01.MP4

An action is a (verb, noun) pair that occurs in the training rows. Validation rows with another pair are dropped, as the
released evaluation does, so a score on them is not that of the official server; `unseen` names them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minijepa.data.sets.annotation import FETCH, FOLDERS, find_file, read_table, require_folder, require_unique, whole_number
from minijepa.data.sets.sample import NO_LABEL, Sample
from minijepa.data.video_error import VideoError

SPLITS = ("train", "validation")
Order = Literal["sorted", "released"]
COLUMNS = (
    "narration_id participant_id video_id start_timestamp stop_timestamp start_frame stop_frame verb_class noun_class".split()
)


@dataclass(frozen=True)
class Segment(Sample):
    """Name one action in a long video; `label`, `verb` and `noun` are places in `ActionClasses`."""

    seconds: tuple[float, float] = (0.0, 0.0)  # start and stop of the action
    verb: int = NO_LABEL  # place among the verbs
    noun: int = NO_LABEL  # place among the nouns


@dataclass(frozen=True)
class ActionClasses:
    """List what each output of a verb, noun and action head stands for."""

    verbs: tuple[int, ...]  # verb_class of the annotations
    nouns: tuple[int, ...]  # noun_class
    actions: tuple[tuple[int, int], ...]  # (verb_class, noun_class)


def action_classes(root: str | os.PathLike, order: Order = "sorted") -> ActionClasses:
    """Number the verbs, nouns and actions of the training rows.

    "sorted" is the same on every machine and after any change of the files' order. "released" is the order in which a
    Python set gives them back, as evals/action_anticipation_frozen/epickitchens.py numbers them: the outputs of a
    released probe have this order and no other. It follows from the hashes of whole numbers and the order of the rows,
    so it needs CPython >= 3.8 of 64 bits and the unchanged EPIC_100_train.csv.

    Raises:
        VideoError: EPIC_100_train.csv is missing, empty or broken.
    """
    return number_actions([_pair(row, *where) for where, row in _rows(root, "train")], order)


def number_actions(pairs: Sequence[tuple[int, int]], order: Order = "sorted") -> ActionClasses:
    """Number the (verb, noun) pairs of training rows, given in the order of the rows."""
    actions = set(pairs)
    verbs, nouns = {verb for verb, _ in actions}, {noun for _, noun in actions}
    arrange = sorted if order == "sorted" else list
    return ActionClasses(tuple(arrange(verbs)), tuple(arrange(nouns)), tuple(arrange(actions)))


def classes(root: str | os.PathLike, order: Order = "sorted") -> list[str]:
    """List the actions by class index, as "verb_class noun_class"; `action_classes` has verbs and nouns too."""
    return [f"{verb} {noun}" for verb, noun in action_classes(root, order).actions]


def read(root: str | os.PathLike, split: Literal["train", "validation"], order: Order = "sorted") -> list[Segment]:
    """List the actions of a split, in the order of the rows; validation rows with a pair unseen in training are left out.

    Raises:
        VideoError: a file that is missing, empty or broken, a narration id that occurs twice, an action that stops
            before it starts, no row left.
    """
    numbered = action_classes(root, order)
    places = [{key: i for i, key in enumerate(keys)} for keys in (numbered.verbs, numbered.nouns, numbered.actions)]
    videos: dict[str, str] = {}
    segments = []
    for where, row in _rows(root, split):
        verb, noun = pair = _pair(row, *where)
        if pair in places[2]:
            path = videos.setdefault(row["video_id"], _video(root, row))
            label = places[0][verb], places[1][noun], places[2][pair]
            segments.append(_segment(row, path, label, *where))
    if not segments:
        wrong = f"no row of {split} has a (verb, noun) pair that occurs in training"
        raise VideoError.about(root, wrong, "take both files from the same release")
    return segments


def unseen(root: str | os.PathLike) -> list[str]:
    """List the narration ids of the validation rows that `read` leaves out, because no training row has their pair.

    Raises:
        VideoError: as `read`.
    """
    known = set(action_classes(root).actions)
    return [row["narration_id"] for where, row in _rows(root, "validation") if _pair(row, *where) not in known]


def _rows(root: str | os.PathLike, split: str) -> list[tuple[tuple[Path, int], dict[str, str]]]:
    """Give ((file, line), row) of a split."""
    path = find_file(root, (f"EPIC_100_{split}.csv",), (*FOLDERS, "epic-kitchens-100-annotations"))
    table = read_table(path, COLUMNS)
    require_unique([row["narration_id"] for _, row in table], path)
    return [((path, line), row) for line, row in table]


def _pair(row: dict[str, str], path: Path, line: int) -> tuple[int, int]:
    return tuple(whole_number(row[key], key, path, line) for key in ("verb_class", "noun_class"))


def _segment(row: dict[str, str], video: str, label: tuple[int, int, int], path: Path, line: int) -> Segment:
    first, last = (whole_number(row[key], key, path, line) for key in ("start_frame", "stop_frame"))
    start, stop = (_seconds(row[key], path, line) for key in ("start_timestamp", "stop_timestamp"))
    if first > last or start > stop:
        wrong = f"line {line}: the action stops (frame {last}, {stop:g} s) before it starts (frame {first}, {start:g} s)"
        raise VideoError.about(path, wrong, FETCH)
    verb, noun, action = label
    return Segment(video, action, row["narration_id"], (first, last), (start, stop), verb, noun)


def _seconds(text: str, path: Path, line: int) -> float:
    """Read 00:01:02.50 as 62.5 s."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise VideoError.about(path, f"line {line}: expected a time hh:mm:ss.ss, got {text!r:.40}", FETCH) from error
    return 3600 * hours + 60 * minutes + seconds


def _video(root: str | os.PathLike, row: dict[str, str]) -> str:
    """Find the video in either layout; where it is in neither, name the place of the first."""
    folder = require_folder(root) / row["participant_id"]
    name = f"{row['video_id']}.MP4"
    flat = folder / name
    return str(flat if flat.is_file() else folder / "videos" / name)
