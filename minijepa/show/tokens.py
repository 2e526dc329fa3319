"""Tokens as colours: what an encoder sees, painted on the clip."""

import torch
from einops import rearrange, repeat
from jaxtyping import Float, UInt8
from torch import Tensor

Grid = tuple[int, int, int]  # t, h, w


def token_colours(tokens: Float[Tensor, "b n d"], grid: Grid) -> UInt8[Tensor, "b 3 t h w"]:
    """Colour tokens by their first three principal components, fitted over all clips together.

    Tokens with the same content take the same colour in every clip. The sign of a component is free; it is fixed so
    that the largest loading is positive, and each component is stretched from its 1st to its 99th percentile.

    Args:
        tokens: (b, n, d) of an encoder, d >= 3.
        grid: (t, h, w) with t·h·w = n.
    Returns: (b, 3, t, h, w) uint8; `upsample` makes a clip of it.
    Raises: ValueError if the grid does not hold n tokens or there are fewer than three channels.
    """
    b, n, d = tokens.shape
    if grid[0] * grid[1] * grid[2] != n or d < 3:
        raise ValueError(f"expected t·h·w = {n} tokens and at least 3 channels, got grid {grid} and {d} channels")
    flat = tokens.reshape(b * n, d).double()  # float64, so that two machines agree on the picture
    flat = flat - flat.mean(0)
    _, directions = torch.linalg.eigh(flat.T @ flat)  # eigenvalues ascend
    axes = directions[:, -3:].flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    scores = flat @ axes
    low, high = torch.quantile(_sample(scores), torch.tensor([0.01, 0.99], dtype=scores.dtype), dim=0)
    bright = ((scores - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    colours = (bright * 255).round().to(torch.uint8)
    return rearrange(colours, "(b t h w) c -> b c t h w", b=b, t=grid[0], h=grid[1])


def _sample(scores: Tensor, most: int = 1_000_000) -> Tensor:
    """Thin the rows evenly: torch.quantile takes 16 million numbers at most."""
    return scores[:: -(-len(scores) // most)]


def upsample(colours: UInt8[Tensor, "3 t h w"], tubelet: int, patch: int) -> UInt8[Tensor, "3 f H W"]:
    """Blow a token picture up to the clip's size: every token covers its tubelet.

    Args:
        colours: (3, t, h, w) uint8.
        tubelet: frames a token; patch: pixels a token side.
    Returns: (3, t·tubelet, h·patch, w·patch) uint8, ready for `show_frames` and `play`.
    """
    return repeat(colours, "c t h w -> c (t f) (h y) (w x)", f=tubelet, y=patch, x=patch)
