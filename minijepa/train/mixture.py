"""Several data sets at once, each with its weight: first the set is drawn, then a file of it.

To add a data set, give its folder or list a name and a weight in a table below, or a weight on the command line:
``--videos 0.7=/data/mine.csv 0.3=/data/photos``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from minijepa.data.video_files import seeded
from minijepa.train.batches import FileBatches

MIXES: dict[str, dict[str, float]] = {
    # facebookresearch/vjepa2 configs/train/*: Kinetics-710, Something-Something v2, HowTo100M
    "released": {"kinetics": 0.335, "ssv2": 0.100, "howto": 0.565},
    # VideoMix22M of arXiv 2506.09985: with curated YT-Temporal-1B, and ImageNet, whose images are repeated to clips
    "paper": {"kinetics": 0.188, "ssv2": 0.056, "howto": 0.318, "yt1b": 0.188, "imagenet": 0.250},
}


@dataclass(frozen=True)
class Mixture:
    """Cut training clips out of several data sets; a clip comes from a set in proportion to its weight.

    Every file of a set is equally likely, so a sample has the probability weight / size, drawn with replacement. Set,
    file, moment and box follow from (seed, step, place in the batch); a bad file is replaced by another of its own
    set, so the weights hold.

    Differs: the official sampler draws a whole epoch at once from a NumPy generator; the distribution is the same.
    """

    parts: tuple[FileBatches, ...]  # the data sets; all make clips of one shape
    weights: tuple[float | int, ...]  # of the sets, above 0; their sum does not matter

    def __post_init__(self) -> None:
        shapes = {(part.frames, part.crop) for part in self.parts}
        if len(self.parts) != len(self.weights) or len(shapes) != 1 or min(self.weights) <= 0:
            raise ValueError(
                f"Mixture: expected one weight above 0 for each data set and clips of one shape, got {len(self.parts)} "
                f"sets, weights {self.weights} and (frames, pixels) {sorted(shapes)}; change one of them"
            )

    @cached_property
    def shares(self) -> Float[Tensor, "sets"]:
        """Give the probability of each set, of sum 1."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        return weights / weights.sum()

    def clips(self, step: int, seed: int, batch: int, rows: slice) -> Float[Tensor, "b 3 f crop crop"]:
        """Return these rows, normalised; raise VideoError if 20 files of a set in a row can't be used."""
        generator = seeded(seed, step)
        chosen = torch.multinomial(self.shares, batch, replacement=True, generator=generator).tolist()
        within = torch.rand(batch, generator=generator, dtype=torch.float64).tolist()  # where in its set
        places = range(batch)[rows]
        return torch.stack([self.draw(seed, step, place, chosen[place], within[place]) for place in places])

    def draw(self, seed: int, step: int, place: int, chosen: int, within: float) -> Float[Tensor, "3 f crop crop"]:
        """Return one clip of set number ``chosen``, of the file at 0 <= ``within`` < 1 of its list."""
        files = self.parts[chosen].files
        return files[seed, step, place, int(within * len(files))].video

    def skipped(self) -> list[str]:
        """Name the files that could not be used so far, of all sets."""
        return [name for part in self.parts for name in part.skipped()]


def from_names(entries: Sequence[str], mix: str, clip: FileBatches) -> FileBatches | Mixture:
    """Return the data sets that were asked for, cut into clips like those of ``clip``.

    entries: one PATH alone; or several, each NAME=PATH with a name of the table ``MIXES[mix]``, or WEIGHT=PATH.
    Names may be left out: the weights of the others keep their ratios.
    Raises ValueError for a name that the table does not have and for a path without a weight beside others.
    """
    if len(entries) == 1 and ("=" not in entries[0] or Path(entries[0]).exists()):
        return replace(clip, paths=Path(entries[0]))
    named = [(_weight(entry, mix), Path(entry.partition("=")[2])) for entry in entries]
    return Mixture(tuple(replace(clip, paths=place) for _, place in named), tuple(weight for weight, _ in named))


def _weight(entry: str, mix: str) -> float:
    """Return the weight of NAME=PATH or WEIGHT=PATH."""
    head, _, place = entry.partition("=")
    try:
        if place:
            return MIXES[mix].get(head) or float(head)
    except ValueError:
        pass
    raise ValueError(
        f"--videos: expected NAME=PATH with a name of {sorted(MIXES[mix])} (--mix {mix}), or WEIGHT=PATH, got {entry!r}; "
        "a path may stand alone only if it is the only one"
    )
