"""Something-Something v2: 174 templates of hands doing something with something, in webm files of a few seconds.

Layout (both releases are read):

    labels/ or annotations/    labels.json, train.json, validation.json, test.json, test-answers.csv
                               (or with the prefix something-something-v2-)
    20bn-something-something-v2/ or videos/    <id>.webm
"""

import os
from pathlib import Path
from typing import Literal

from minijepa.data.sets.annotation import (
    FETCH,
    class_index,
    entry_field,
    find_file,
    find_folder,
    read_json,
    read_rows,
    require_unique,
)
from minijepa.data.sets.sample import NO_LABEL, Sample
from minijepa.data.video_error import VideoError

PREFIX = "something-something-v2-"
SPLITS = ("train", "validation", "test")


def classes(root: str | os.PathLike) -> list[str]:
    """List the templates by class index, as labels.json numbers them.

    Raises:
        VideoError: the file is missing or broken, or its indices are not 0, 1, 2, … each once.
    """
    path = _annotation(root, "labels.json")
    index = read_json(path, dict)
    wanted = [str(i) for i in range(len(index))]
    if sorted(map(str, index.values())) != sorted(wanted):
        wrong = f"expected the indices 0 to {len(index) - 1}, each once, got {list(index.values())!r:.80}"
        raise VideoError.about(path, wrong, FETCH)
    return sorted(index, key=lambda template: int(index[template]))


def read(root: str | os.PathLike, split: Literal["train", "validation", "test"]) -> list[Sample]:
    """List the clips of a split; the class of a clip is its template without brackets.

    The labels of "test" come from test-answers.csv; without that file they are NO_LABEL.

    Raises:
        VideoError: a file that is missing, empty or broken, an unknown template, an id that occurs twice.
    """
    indices = {template: i for i, template in enumerate(classes(root))}
    path = _annotation(root, f"{split}.json")
    entries = read_json(path, list)
    names = [entry_field(entry, "id", str, path, i) for i, entry in enumerate(entries)]
    require_unique(names, path)
    if split == "test":
        labels = _answers(root, indices, names)
    else:
        templates = [entry_field(entry, "template", str, path, i) for i, entry in enumerate(entries)]
        plain = [template.replace("[", "").replace("]", "") for template in templates]
        labels = [class_index(label, indices, path, f"entry {i}") for i, label in enumerate(plain)]
    folder = find_folder(root, ("20bn-something-something-v2", "videos"))
    return [Sample(str(folder / f"{name}.webm"), label, name) for name, label in zip(names, labels, strict=True)]


def _annotation(root: str | os.PathLike, name: str) -> Path:
    return find_file(root, (name, PREFIX + name))


def _answers(root: str | os.PathLike, indices: dict[str, int], names: list[str]) -> list[int]:
    """Look up the labels of the test split, "id;template without brackets" a line."""
    try:
        path = _annotation(root, "test-answers.csv")
    except VideoError:  # the older release has none
        return [NO_LABEL] * len(names)
    rows = read_rows(path, ";", 2)
    require_unique([name for _, (name, _) in rows], path)
    labels = {name: class_index(label, indices, path, f"line {line}") for line, (name, label) in rows}
    return [labels.get(name, NO_LABEL) for name in names]
