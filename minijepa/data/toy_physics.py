"""Sample clips of small worlds with known state, in endless supply and the same on every machine."""

from __future__ import annotations

import torch

from minijepa.data.toy_motion import simulate
from minijepa.data.toy_render import draw
from minijepa.data.toy_world import Look, Motion, State, ToyClips, World

__all__ = ["Look", "Motion", "State", "ToyClips", "World", "sample", "split_generator"]

_SPLITS = ("train", "validation", "test")
_SEEDS, _STEPS = 1 << 8, 1 << 22  # with the split 32 bits: torch's CPU generator drops the rest of a seed


def split_generator(split: str, seed: int, step: int = 0) -> torch.Generator:
    """Make the generator of one batch of "train", "validation" or "test"; no two (split, seed, step) share a seed.

    The three numbers are packed into one 32-bit seed, so that train and test can't overlap.

    Raises: ValueError if the split is unknown, or seed or step lies outside 0..255 or 0..4194303.
    """
    if split not in _SPLITS:
        raise ValueError(f"expected a split of {_SPLITS}, got {split!r}")
    if not 0 <= seed < _SEEDS or not 0 <= step < _STEPS:
        raise ValueError(f"expected 0 <= seed < {_SEEDS} and 0 <= step < {_STEPS}, got seed {seed}, step {step}")
    number = (_SPLITS.index(split) * _SEEDS + seed) * _STEPS + step
    return torch.Generator().manual_seed(number)


def sample(
    world: World,
    count: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    violation: str | None = None,
) -> ToyClips:
    """Sample `count` clips of a world; the same generator state gives the same bytes on every machine and device.

    Args: a CPU generator (see `split_generator`); `device` is where the video is drawn and returned, labels and
    state stay on the CPU.
    Returns: uint8 video (b, 3, f, H, W), labels (b,), state in px, onset of the violation in frames.
    Raises: ValueError for a count below 1 or a generator that isn't on the CPU.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 clip, got count {count}")
    if generator.device.type != "cpu":
        raise ValueError(
            f"expected a CPU generator, got one on {generator.device}: draws are made on the CPU so that every device "
            "gives the same clips; use split_generator, and pass device= for the video"
        )
    if violation is not None:
        raise ValueError("violations aren't written yet")
    state, labels = simulate(world, count, generator)
    video = draw(state, world, generator, torch.device(device))
    return ToyClips(video, labels, state, torch.full((count,), world.frames))
