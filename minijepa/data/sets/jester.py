"""Jester: 27 hand gestures before a webcam, as folders of jpg frames at 12 Hz.

Layout:

    jester-v1-labels.csv, jester-v1-train.csv, jester-v1-validation.csv, jester-v1-test.csv    (or without jester-v1-)
    20bn-jester-v1/<id>/00001.jpg, 00002.jpg, …
"""

import os
from pathlib import Path
from typing import Literal

from minijepa.data.sets.annotation import class_index, find_file, find_folder, read_rows, require_unique
from minijepa.data.sets.sample import NO_LABEL, Sample

PREFIX = "jester-v1-"
SPLITS = ("train", "validation", "test")
FPS = 12  # Hz, at which the pictures were taken out of the videos


def classes(root: str | os.PathLike) -> list[str]:
    """List the gestures by class index, which is the number of their line in the label file, from 0.

    The data set itself numbers nothing. A probe that was trained elsewhere may have another order.

    Raises:
        VideoError: the label file is missing or empty, or names a gesture twice.
    """
    path = _annotation(root, "labels.csv")
    names = [name for _, (name,) in read_rows(path, ";", 1)]
    require_unique(names, path)
    return names


def read(root: str | os.PathLike, split: Literal["train", "validation", "test"]) -> list[Sample]:
    """List the clips of a split, "id;label" a line; "test" has ids only, so its labels are NO_LABEL.

    Each path is a folder for `minijepa.data.sets.pictures`.

    Raises:
        VideoError: a file that is missing, empty or broken, an unknown gesture, an id that occurs twice.
    """
    indices = {name: i for i, name in enumerate(classes(root))}
    path = _annotation(root, f"{split}.csv")
    rows = read_rows(path, ";", 1 if split == "test" else 2)
    require_unique([fields[0] for _, fields in rows], path)
    folder = find_folder(root, ("20bn-jester-v1",))
    samples = []
    for line, (name, *label) in rows:
        index = class_index(label[0], indices, path, f"line {line}") if label else NO_LABEL
        samples.append(Sample(str(folder / name), index, name))
    return samples


def _annotation(root: str | os.PathLike, name: str) -> Path:
    return find_file(root, (PREFIX + name, name))
