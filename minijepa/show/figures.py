"""The figures that several chapters share; each returns a figure, which a notebook shows as the value of a cell."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from minijepa.show.drawing import fade
from minijepa.show.style import (
    COLOURS,
    DIVERGING,
    FAINT,
    INK,
    ONLINE,
    PAPER,
    PREDICTOR,
    SEQUENTIAL,
    Picture,
    canvas,
    house_style,
)

Grid = tuple[int, int, int]  # t, h, w
FILLS = (fade(FAINT, 0.4), ONLINE, PREDICTOR)  # of a token that is unused, context, target
PANEL = 1.15  # inches a frame in a film strip
WIDTH = 9.0  # inches that a strip may take


@house_style()
def show_frames(video: UInt8[Tensor, "3 f H W"], every: int = 1, fps: float | int | None = None, title: str = "") -> Picture:
    """Show the frames of a clip side by side, as a film strip.

    Args:
        video: (3, f, H, W) uint8.
        every: shows one frame of `every`.
        fps: frames a second of the clip; with it the labels are times in seconds, else frame numbers.
        title: written above.
    Raises: ValueError if `every` is not at least 1.
    """
    if every < 1:
        raise ValueError(f"expected every >= 1 frame, got {every}: 1 shows all frames")
    chosen = range(0, video.shape[1], every)
    figure, axes = _strip(len(chosen), video.shape[2] / video.shape[3], title)
    for ax, k in zip(axes, chosen):
        ax.imshow(video[:, k].permute(1, 2, 0).numpy())
        ax.set_xlabel(f"frame {k}" if fps is None else f"{k / fps:.2f} s", fontsize=9)
    return figure


@house_style()
def show_masks(
    context: Int[Tensor, "k"],
    grid: Grid,
    targets: Int[Tensor, "m"] | None = None,
    video: UInt8[Tensor, "3 f H W"] | None = None,
    title: str = "",
) -> Picture:
    """Show which tokens a mask keeps (blue, or the clip itself) and which it asks for (orange), one panel a time step.

    Args:
        context: (k,) ids of the tokens that the encoder sees.
        grid: (t, h, w) patch grid.
        targets: (m,) ids that the predictor must guess; what is in neither set stays pale.
        video: (3, f, H, W) uint8; with it kept tokens show the first frame of their tubelet.
        title: written above.
    Raises: ValueError if an id lies outside the grid.
    """
    kinds = _kinds(context, targets, grid)
    figure, axes = _strip(grid[0], grid[1] / grid[2], title)
    for k, ax in enumerate(axes):
        ax.set_xlabel(f"t = {k}", fontsize=9)
        if video is not None:
            frame = video[:, k * video.shape[1] // grid[0]].permute(1, 2, 0).numpy()
            ax.imshow(frame, extent=(0, grid[2], grid[1], 0))
        elif grid[2] > 8:  # gaps between so small cells would come out uneven
            ax.imshow(np.array([to_rgb(fill) for fill in FILLS])[kinds[k]], extent=(0, grid[2], grid[1], 0))
            continue
        for row, col in np.ndindex(grid[1:]):
            _cell(ax, row, col, int(kinds[k, row, col]), picture=video is not None)
        ax.set(xlim=(0, grid[2]), ylim=(grid[1], 0), aspect="equal")
    return figure


@house_style()
def show_grid(values: Float[Tensor, "t h w"], label: str, query: int | None = None, diverging: bool = False) -> Picture:
    """Show one number a token as a heat map, one panel a time step, all with the same scale.

    Args:
        values: (t, h, w), for example cosine similarity to one token.
        label: what the numbers are, with unit; stands at the colour bar.
        query: id of a token to outline.
        diverging: True for signed numbers; zero is then the pale middle.
    """
    t, h, w = values.shape
    figure, axes = _strip(t, h / w, "")
    low, high = _limits(values.numpy(), diverging)
    for k, ax in enumerate(axes):
        image = ax.imshow(values[k].numpy(), cmap=DIVERGING if diverging else SEQUENTIAL, vmin=low, vmax=high)
        ax.set_xlabel(f"t = {k}", fontsize=9)
        if query is not None and query // (h * w) == k:
            row, col = divmod(query % (h * w), w)
            ax.add_patch(Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=PREDICTOR, linewidth=2.5))
    figure.colorbar(image, ax=list(axes), label=label, shrink=0.8, pad=0.015)
    return figure


@house_style()
def heat_map(
    values: Float[Tensor, "rows cols"], x: str, y: str, label: str, title: str = "", diverging: bool = False
) -> Picture:
    """Show a matrix, such as the similarity of every token to every other.

    Args:
        values: (rows, cols).
        x, y: names of the axes, with units.
        label: what the numbers are; stands at the colour bar.
        diverging: True for signed numbers; zero is then the pale middle.
    """
    figure, axes = canvas((5.6, 4.4))
    ax = axes[0, 0]
    low, high = _limits(values.numpy(), diverging)
    image = ax.imshow(values.numpy(), cmap=DIVERGING if diverging else SEQUENTIAL, vmin=low, vmax=high, aspect="auto")
    ax.set(xlabel=x, ylabel=y, title=title)
    ax.grid(False)
    figure.colorbar(image, ax=ax, label=label)
    return figure


@house_style()
def curves(
    x: Sequence[float] | np.ndarray,
    runs: Mapping[str, Sequence | np.ndarray],
    labels: tuple[str, str],
    chance: float | int | None = None,
    title: str = "",
) -> Picture:
    """Plot one line a method: the mean over its seeds, with a band from the lowest to the highest seed.

    Args:
        x: (steps,) positions, shared by all.
        runs: name -> (seeds, steps) or (steps,); a name of `style.COLOURS` takes its house colour.
        labels: names of the two axes, with units.
        chance: height of a dashed line.
    Raises: ValueError if a run has not one value for each x.
    """
    figure, axes = canvas()
    ax = axes[0, 0]
    for name, values in runs.items():
        seeds = np.atleast_2d(values)
        if seeds.shape[1] != len(x):
            raise ValueError(f"expected {len(x)} values a seed for {name!r}, one for each x, got {seeds.shape[1]}")
        line = ax.plot(x, seeds.mean(0), color=COLOURS.get(name.lower()), label=name)[0]
        if len(seeds) > 1:
            ax.fill_between(x, seeds.min(0), seeds.max(0), color=line.get_color(), alpha=0.18, linewidth=0)
    if chance is not None:
        ax.axhline(chance, color=INK, linestyle=(0, (4, 3)), linewidth=1.1, label="chance")
    ax.set(xlabel=labels[0], ylabel=labels[1], title=title)
    figure.legend(loc="outside right upper")
    return figure


@house_style()
def bars(
    results: Mapping[str, tuple[float | int, float | int, float | int]],
    label: str,
    chance: float | int | None = None,
    title: str = "",
) -> Picture:
    """Compare methods by bars with their intervals, the value written at the end.

    Args:
        results: name -> (value, low, high); a name of `style.COLOURS` takes its house colour.
        label: what is measured, with unit.
        chance: place of a dashed line.
    Raises: ValueError if a value lies outside its interval.
    """
    figure, axes = canvas((8.0, 1.0 + 0.46 * len(results)))
    ax = axes[0, 0]
    for k, (name, (value, low, high)) in enumerate(results.items()):
        if not low <= value <= high:
            raise ValueError(f"expected low <= value <= high for {name!r}, got {low} <= {value} <= {high}")
        ax.barh(k, value, height=0.62, color=COLOURS.get(name.lower(), ONLINE))
        ax.plot([low, high], [k, k], color=INK, linewidth=2.2, solid_capstyle="butt")
        ax.annotate(f"{value:.2f}", (high, k), (6, 0), textcoords="offset points", va="center", fontsize=10)
    if chance is not None:
        ax.axvline(chance, color=INK, linestyle=(0, (4, 3)), linewidth=1.1)
        ax.annotate("chance", (chance, -0.66), (4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set(yticks=range(len(results)), yticklabels=list(results), xlabel=label, title=title)
    ax.set_ylim(len(results) - 0.4, -0.9)  # the first method on top
    ax.set_xlim(right=max(high for _, _, high in results.values()) * 1.12)
    ax.grid(axis="y", visible=False)
    return figure


def _strip(count: int, tall: float, title: str) -> tuple[Picture, list[Axes]]:
    """Lay out `count` equal panels, `tall` times as high as wide, in rows of at most eight."""
    cols = min(count, 8)
    rows = -(-count // cols)
    side = min(PANEL * 1.5, WIDTH / cols)
    size = (side * cols, rows * (0.94 * side * tall + 0.27) + (0.3 if title else 0))
    figure, axes = canvas(size, rows, cols)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
    for k, ax in enumerate(axes.flat):
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
        if k >= count:
            ax.set_axis_off()
    return figure, list(axes.flat)[:count]


def _kinds(context: Tensor, targets: Tensor | None, grid: Grid) -> np.ndarray:
    """Return (t, h, w) with 0 for unused, 1 for context, 2 for target."""
    count = grid[0] * grid[1] * grid[2]
    kinds = torch.zeros(count, dtype=torch.int64)
    for kind, ids in ((2, targets), (1, context)):
        if ids is not None and len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < count:
            raise ValueError(f"expected ids from 0 to {count - 1} for grid {grid}, got {int(ids.min())} to {int(ids.max())}")
        if ids is not None:
            kinds[ids] = kind
    return kinds.reshape(grid).numpy()


def _cell(ax: Axes, row: int, col: int, kind: int, picture: bool) -> None:
    if picture and kind == 1:
        return
    if picture:
        ax.add_patch(Rectangle((col, row), 1, 1, facecolor=PAPER))
    ax.add_patch(Rectangle((col + 0.04, row + 0.04), 0.92, 0.92, facecolor=FILLS[kind]))


def _limits(values: np.ndarray, diverging: bool) -> tuple[float, float]:
    most = float(np.abs(values).max())
    return (-most, most) if diverging else (float(values.min()), float(values.max()))
