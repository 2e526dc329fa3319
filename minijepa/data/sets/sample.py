"""What every reader returns: one record a labelled clip, and the check that its pixels are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minijepa.data.video_error import VideoError
from minijepa.data.video_files import NO_LABEL

__all__ = ["NO_LABEL", "Sample", "labels_in", "missing", "require_all"]


@dataclass(frozen=True)
class Sample:
    """Name one labelled clip of a data set; nothing is opened for it."""

    path: str  # the video file, or the folder of its numbered pictures
    label: int  # class index; NO_LABEL (-1) where the data set hides it
    name: str = ""  # what the data set calls it: an id, a narration id
    frames: tuple[int, int] | None = None  # first and last frame of the clip; None: all of the video


def missing(samples: Sequence[Sample]) -> list[Sample]:
    """List the samples whose video or folder is not there; each path is looked up once."""
    there = {path: Path(path).exists() for path in {sample.path for sample in samples}}
    return [sample for sample in samples if not there[sample.path]]


def require_all(samples: Sequence[Sample]) -> None:
    """Raise VideoError unless every video is there.

    Numbers on a part of a test set are not comparable with published ones; who wants a part takes out `missing`.
    """
    gone = missing(samples)
    if gone:
        wrong = f"does not exist, like {len(gone) - 1} more of {len(samples)} samples"
        mend = "fetch them, or leave them out: they are listed by minijepa.data.sets.sample.missing"
        raise VideoError.about(gone[0].path, wrong, mend)


def labels_in(samples: Sequence[Sample]) -> set[int]:
    """Collect the class indices that occur."""
    return {sample.label for sample in samples} - {NO_LABEL}
