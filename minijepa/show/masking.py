"""Masks on the clip itself: what the encoder sees, and where the predictor must guess."""

import torch
from einops import repeat
from jaxtyping import Int, UInt8
from matplotlib.colors import to_rgb
from torch import Tensor

from minijepa.show.style import FAINT, PREDICTOR
from minijepa.train.masks import Grid, scatter


def hide(
    video: UInt8[Tensor, "3 f H W"],
    context: Int[Tensor, "k"],
    grid: Grid,
    targets: Int[Tensor, "m"] | None = None,
) -> UInt8[Tensor, "3 f H W"]:
    """Paint over all tubelets of a clip that the encoder does not see.

    Args:
        context: (k,) ids of the tokens whose pixels stay.
        grid: (t, h, w) patch grid, which divides the clip evenly.
        targets: (m,) ids to paint orange; what is in neither set becomes grey.
    Returns: (3, f, H, W) uint8, ready for `play`, `grid` and `show_frames`.
    Raises: ValueError if the grid does not divide the clip.
    """
    sides = [size / cells for size, cells in zip(video.shape[1:], grid)]
    if any(side != int(side) for side in sides):
        raise ValueError(f"expected a grid that divides frames and pixels {tuple(video.shape[1:])}, got {grid}")
    seen = _on_pixels(context, grid, sides)
    wanted = _on_pixels(targets if targets is not None else context[:0], grid, sides)
    painted = torch.where(wanted, _paint(PREDICTOR), _paint(FAINT))
    return torch.where(seen, video, painted)


def _on_pixels(ids: Tensor, grid: Grid, sides: list[float]) -> Tensor:
    chosen = scatter(ids[None], grid).view(grid)
    u, p, q = map(int, sides)
    return repeat(chosen, "t h w -> (t u) (h p) (w q)", u=u, p=p, q=q)


def _paint(colour: str) -> Tensor:
    return (torch.tensor(to_rgb(colour)) * 255).round().to(torch.uint8).view(3, 1, 1, 1)
