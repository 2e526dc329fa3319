"""Where and when: 3-D rotary positions, computed once a forward and shared by every layer.

The channels of a head are cut in four: ``s`` turn with the time step, ``s`` with the row, ``s`` with the
column, the rest stays. Implements ``rotate_queries_or_keys`` and ``RoPEAttention`` of facebookresearch/vjepa2
``src/models/utils/modules.py``.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minijepa.config import RopeForm


class Rotary(NamedTuple):
    """Hold cosines and signed sines for a set of tokens, ready to multiply queries and keys."""

    cos: Float[Tensor, "#b 1 n width"]
    sin: Float[Tensor, "#b 1 n width"]  # -sin on even channels, +sin on odd ones


def token_positions(ids: Int[Tensor, "*b n"], grid: tuple[int, int, int]) -> Int[Tensor, "3 *b n"]:
    """Return the (time, row, column) of raster token ids on a (t, h, w) grid."""
    _, h, w = grid
    return torch.stack((ids // (h * w), ids // w % h, ids % w))


def axis_width(head_width: int) -> int:
    """Return s, the even number of channels that each axis turns; head_width - 3 s channels stay."""
    return 2 * (head_width // 3 // 2)


def channel_frequencies(width: int, base: float, form: RopeForm) -> Float[Tensor, "width"]:
    """Return the angle per unit of position for each channel of one axis, in radians.

    With omega_i = base^(-2i/width), i < width/2, "textbook" gives both members of the pair (2j, 2j+1) the
    frequency omega_j. "tiled" is what the released weights were trained with: omega repeated end to end, so
    that the two members of a pair turn at different speeds and the product of q and k is not purely relative.
    """
    if form not in ("tiled", "textbook"):
        raise ValueError(f"rope: expected 'tiled' or 'textbook', got {form!r}; released weights need 'tiled'")
    omega = base ** -(torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    return (omega.repeat(2) if form == "tiled" else omega.repeat_interleave(2)).float()


def rotary_tables(
    ids: Int[Tensor, "#b n"],
    grid: tuple[int, int, int],
    head_width: int,
    base: float = 10_000.0,
    form: RopeForm = "tiled",
    dtype: torch.dtype = torch.float32,
) -> Rotary:
    """Tabulate cosines and signed sines for tokens with raster ids on a (t, h, w) grid.

    Returns tables of shape (b, 1, n, head_width) in ``dtype``; channels that stay have cosine 1 and sine 0.

    Differs: angles are computed in float32 whatever the precision of the network; under bfloat16 autocast the
    official code computes them in bfloat16, with errors up to 0.08 rad at position 32.
    """
    s = axis_width(head_width)
    sign = torch.tensor((-1.0, 1.0)).repeat(s // 2)  # a cosine ignores the sign of its angle, a sine takes it over
    omega = (sign * channel_frequencies(s, base, form)).to(ids.device)
    angles = token_positions(ids, grid)[..., None] * omega  # (3, b, n, s)
    angles = angles.permute(1, 2, 0, 3).flatten(2)  # (b, n, 3 s)
    angles = torch.nn.functional.pad(angles, (0, head_width - 3 * s))[:, None]  # (b, 1, n, head_width)
    return Rotary(angles.cos().to(dtype), angles.sin().to(dtype))


def rotate(x: Float[Tensor, "b e n width"], rotary: Rotary) -> Float[Tensor, "b e n width"]:
    """Turn each channel pair (x0, x1) to (x0 cos - x1 sin, x1 cos + x0 sin) with the angle of its token."""
    swapped = x.unflatten(-1, (-1, 2)).roll(1, -1).flatten(-2)  # roll swaps a pair in half the time of flip
    return torch.addcmul(x * rotary.cos, swapped, rotary.sin)
