"""Look over a copy of a data set without training on it: are the lists whole, are the videos there, do some of them open?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch

from minijepa.data.sets import diving48, epic_kitchens, jester, kinetics, ssv2
from minijepa.data.sets.pictures import decode_pictures
from minijepa.data.sets.sample import Sample, labels_in, missing
from minijepa.data.video import decode
from minijepa.data.video_error import VideoError
from minijepa.data.video_files import seeded

SETS: dict[str, ModuleType] = {
    "ssv2": ssv2,
    "kinetics": kinetics,
    "diving48": diving48,
    "jester": jester,
    "epic_kitchens": epic_kitchens,
}
EXAMPLES = 3  # missing videos that are named


@dataclass(frozen=True)
class SplitReport:
    """Tell what was found of one split."""

    split: str
    samples: int = 0  # rows of the annotation
    labels: int = 0  # classes that occur in them
    videos: int = 0  # distinct files or folders that they name
    missing: tuple[str, ...] = ()  # those of them that are not there
    opened: int = 0  # of those that are there, how many were decoded
    problems: tuple[str, ...] = ()  # what was wrong with the annotation, or with a video that was opened


@dataclass(frozen=True)
class Report:
    """Tell what was found of a data set."""

    dataset: str
    root: str
    classes: int  # in the class list
    splits: tuple[SplitReport, ...]
    notes: tuple[str, ...] = ()  # what is no fault and changes a score

    @property
    def usable(self) -> bool:
        """Tell whether every split was read, every video is there and every opened one was decoded."""
        return all(not split.problems and not split.missing for split in self.splits)

    def lines(self) -> list[str]:
        """Write the report as lines of text, the verdict last."""
        head = f"{self.dataset} at {self.root}: {self.classes} classes"
        body = [line for split in self.splits for line in _split_lines(split)]
        verdict = "whole" if self.usable else "not whole: see the lines that begin with '!'"
        return [head, *body, *self.notes, f"verdict: {verdict}"]


def check(dataset: str, root: str | os.PathLike, splits: Sequence[str] = (), samples: int = 8, seed: int = 0) -> Report:
    """Read the annotation of each split, look for every video, and decode one frame of a few at random.

    Args:
        dataset: ssv2, kinetics, diving48, jester or epic_kitchens.
        root: folder of the data set.
        splits: which ones; none means all that the data set has.
        samples: videos to open in each split.
        seed: of their choice.

    Returns:
        The report; what is wrong with the copy stands in it and is not raised.

    Raises:
        ValueError: no such data set or split.
    """
    if dataset not in SETS:
        raise ValueError(f"check: expected one of {', '.join(SETS)}, got {dataset!r}; a list of paths goes as kinetics")
    reader = SETS[dataset]
    strange = sorted(set(splits) - set(reader.SPLITS))
    if strange:
        raise ValueError(f"check: expected splits of {dataset} among {', '.join(reader.SPLITS)}, got {strange[0]!r}")
    wanted = tuple(splits) or reader.SPLITS
    reports = tuple(check_split(reader, root, split, samples, seed) for split in wanted)
    try:
        count = len(reader.classes(root))
    except VideoError:  # the reports of the splits say why
        count = 0
    return Report(dataset, os.fspath(root), count, reports, _notes(reader, root, wanted))


def check_split(reader: ModuleType, root: str | os.PathLike, split: str, samples: int, seed: int) -> SplitReport:
    """Read one split and look at its videos; see `check`."""
    try:
        rows = reader.read(root, split)
    except VideoError as error:
        return SplitReport(split, problems=(str(error),))
    paths = {sample.path: sample for sample in rows}
    gone = tuple(sample.path for sample in missing(list(paths.values())))
    absent = set(gone)
    there = [sample for path, sample in paths.items() if path not in absent]
    order = torch.randperm(len(there), generator=seeded(seed)).tolist()[:samples]
    problems = [problem for i in order if (problem := open_one(there[i]))]
    return SplitReport(split, len(rows), len(labels_in(rows)), len(paths), gone, len(order), tuple(problems))


def open_one(sample: Sample) -> str:
    """Decode the first frame of a video, or say why that is not possible."""
    try:
        decode_pictures(sample.path, [0]) if Path(sample.path).is_dir() else decode(sample.path, [0])
    except VideoError as error:
        return str(error)
    return ""


def _notes(reader: ModuleType, root: str | os.PathLike, splits: Sequence[str]) -> tuple[str, ...]:
    """Count the validation rows that EPIC-KITCHENS leaves out."""
    if reader is not epic_kitchens or "validation" not in splits:
        return ()
    try:
        dropped = epic_kitchens.unseen(root)
    except VideoError:
        return ()
    first = f", the first is {dropped[0]}" if dropped else ""
    return (f"  note: {len(dropped)} validation rows have a (verb, noun) pair unseen in training and are left out{first}",)


def _split_lines(split: SplitReport) -> list[str]:
    found = split.videos - len(split.missing)
    counts = f"samples {split.samples}, classes {split.labels}, videos found {found} of {split.videos}, opened {split.opened}"
    lines = [f"  {split.split}: {counts}" if split.samples else f"  {split.split}: not read"]
    lines += [f"  ! missing: {path}" for path in split.missing[:EXAMPLES]]
    if len(split.missing) > EXAMPLES:
        lines.append(f"  ! missing: {len(split.missing) - EXAMPLES} more")
    return lines + [f"  ! {problem}" for problem in split.problems]
