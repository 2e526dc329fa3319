"""Kinetics, COIN and anything else that comes as a list: one line "path label" a video, as the released loader reads it.

Layout: train.csv, validation.csv (or val, or .txt) in one folder; paths are absolute, or relative to the list.
"""

import os
from pathlib import Path
from typing import Literal

from minijepa.data.sets.annotation import find_file, read_text, require_unique
from minijepa.data.sets.sample import Sample, labels_in
from minijepa.data.video_error import VideoError

SPLITS = ("train", "validation")
NAMES = {"train": ("train",), "validation": ("validation", "val")}


def classes(root: str | os.PathLike) -> list[str]:
    """List the classes by index: a list has numbers only, so the names are the numbers, up to the highest of "train"."""
    return [str(i) for i in range(1 + max(labels_in(read(root, "train"))))]


def read(root: str | os.PathLike, split: Literal["train", "validation"]) -> list[Sample]:
    """List the videos of a split.

    Raises:
        VideoError: the list is missing, empty or broken, or names a path twice.
    """
    return read_list(find_file(root, [f"{name}{suffix}" for name in NAMES[split] for suffix in (".csv", ".txt")]))


def read_list(path: str | os.PathLike) -> list[Sample]:
    """List the videos of one text file, "path label" or "path::label" a line.

    Differs: src/datasets/video_dataset.py parses with pandas, first with a space between the two; a path with a space
    in it makes it fail there. Here the last space of the line counts.

    Raises:
        VideoError: the list is missing or empty, a line without a label at its end, a path that occurs twice.
    """
    path = Path(path)
    lines = [(number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), start=1)]
    samples = [_sample(line, number, path) for number, line in lines if line]
    require_unique([sample.path for sample in samples], path)
    return samples


def _sample(line: str, number: int, path: Path) -> Sample:
    video, _, label = line.rpartition("::" if "::" in line else " ")
    if not video.strip() or not label.strip().isdecimal():
        wrong = f"line {number}: expected 'path label', got {line!r:.80}"
        raise VideoError.about(path, wrong, "end each line with the class index, a whole number from 0")
    place = path.parent / video.strip()
    return Sample(str(place), int(label), place.stem)
