"""Diving48: 48 kinds of dive that only motion tells apart. Version 2 of the labels, the corrected one, is read.

Layout:

    Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json    (here, in labels/ or in annotations/)
    rgb/ or videos/    <vid_name>.mp4
"""

import os
from typing import Literal

from minijepa.data.sets.annotation import FETCH, entry_field, find_file, find_folder, read_json, require_unique
from minijepa.data.sets.sample import Sample
from minijepa.data.video_error import VideoError

SPLITS = ("train", "test")


def classes(root: str | os.PathLike) -> list[str]:
    """List the dives by class index: take-off, somersaults, twists and position in one string.

    Raises:
        VideoError: Diving48_vocab.json is missing or broken.
    """
    path = find_file(root, ("Diving48_vocab.json",))
    vocabulary = read_json(path, list)
    for i, words in enumerate(vocabulary):
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise VideoError.about(path, f"entry {i}: expected a list of strings, got {words!r:.80}", FETCH)
    return [" ".join(words) for words in vocabulary]


def read(root: str | os.PathLike, split: Literal["train", "test"]) -> list[Sample]:
    """List the clips of a split; there is no validation split, so whoever chooses on "test" has tested on what was chosen.

    Raises:
        VideoError: a file that is missing, empty or broken, a label beyond the vocabulary, a video that occurs twice.
    """
    count = len(classes(root))
    path = find_file(root, (f"Diving48_V2_{split}.json",))
    folder = find_folder(root, ("rgb", "videos"))
    samples = []
    for i, entry in enumerate(read_json(path, list)):
        name = entry_field(entry, "vid_name", str, path, i)
        label, first, last = (entry_field(entry, key, int, path, i) for key in ("label", "start_frame", "end_frame"))
        if not 0 <= label < count:
            wrong = f"entry {i}: the label {label} of {name!r} is not among the {count} classes"
            raise VideoError.about(path, wrong, "take annotations and vocabulary from the same release")
        samples.append(Sample(str(folder / f"{name}.mp4"), label, name, (first, last)))
    require_unique([sample.name for sample in samples], path)
    return samples
