"""The pencils behind the data-flow picture: boxes, arrows, small solids and a toy clip, all in plain matplotlib."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from minijepa.show.style import INK, PAPER

Point = tuple[float, float]


@dataclass(frozen=True)
class Solid:
    """Place a block of h x w columns in cabinet projection, each column split into t pieces along the depth."""

    corner: Point  # lower left of the front face, in canvas units
    side: float  # width and height of the front face
    depth: Point  # how far the back face is shifted, in canvas units
    pieces: int  # t: how many tubelets lie behind each other


def toy_frames(count: int, size: int = 160) -> Float[np.ndarray, "f size size 3"]:
    """Paint a ball that flies over a hill, for pictures only (the worlds to learn from are in `data.toy_physics`).

    Args:
        count: number of frames f.
        size: height and width in pixels.
    Returns: (f, size, size, 3) colours in 0..1.
    """
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    sky = (1 - y)[..., None] * np.array([0.62, 0.78, 0.92]) + y[..., None] * np.array([0.97, 0.95, 0.88])
    hill = y > 0.80 - 0.10 * np.sin(2.6 * x + 0.4)
    sky[hill] = np.array([0.55, 0.68, 0.58])
    far = (y > 0.66 - 0.12 * np.sin(4.2 * x + 2.6)) & ~hill
    sky[far] = np.array([0.71, 0.80, 0.76])
    return np.stack([_ball(sky, x, y, when) for when in np.linspace(0.0, 1.0, count)])


def _ball(sky: np.ndarray, x: np.ndarray, y: np.ndarray, when: float, radius: float = 0.155) -> np.ndarray:
    centre = 0.22 + 0.56 * when, 0.62 - 1.24 * when * (1 - when)  # a parabola from left to right
    distance = np.hypot(x - centre[0], y - centre[1])
    light = np.clip(1.12 - 1.5 * np.hypot(x - centre[0] + 0.05, y - centre[1] + 0.06), 0.55, 1.0)[..., None]
    edge = np.clip((radius - distance) * len(x) / 1.5, 0, 1)[..., None]  # soft over 1.5 pixels
    return sky * (1 - edge) + edge * light * np.array([0.90, 0.42, 0.10])


def box(axes: Axes, centre: Point, size: Point, colour: str, title: str, note: str, lit: bool) -> None:
    """Draw a network: a rounded box with its name and one line on what it does.

    Args:
        centre, size: middle and (width, height), in canvas units.
        colour: of the fill when lit.
        title, note: two lines of text; the note may hold a line break, or be empty.
        lit: False draws it pale.
    """
    x, y = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    face, text = (colour, _readable_on(colour)) if lit else (fade(colour, 0.84), fade(INK, 0.5))
    shape = FancyBboxPatch((x, y), *size, "round,pad=0,rounding_size=1.3", facecolor=face, edgecolor="none", zorder=5)
    axes.add_patch(shape)
    if not note:
        words(axes, centre, title, text, size=9.5, bold=True)
        return
    words(axes, (centre[0], centre[1] + 1.9), title, text, size=11.0, bold=True)
    words(axes, (centre[0], centre[1] - 1.7), note, text, size=9.5)


def words(axes: Axes, at: Point, text: str, colour: str, size: float, bold: bool = False, align: str = "center") -> None:
    """Write a line or two around a point of the canvas.

    Args:
        at: middle of the text, or the middle of its left edge with align="left"; in canvas units.
        colour: "#RRGGBB".
        size: in points.
    """
    weight = "bold" if bold else "normal"
    axes.text(*at, text, ha=align, va="center", color=colour, fontsize=size, weight=weight, zorder=7, linespacing=1.25)


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    luma = 0.30 * red + 0.59 * green + 0.11 * blue
    return INK if luma > 150 else PAPER  # orange takes dark text, blue takes white


def arrow(axes: Axes, points: list[Point], colour: str, lit: bool, dashed: bool = False) -> None:
    """Draw an arrow along a path with rounded corners; the last point gets the head.

    Args:
        points: at least two corners, in canvas units.
        colour: of the line when lit.
        dashed: True for what is not the data's way, such as the slow copy of weights.
    """
    path = Path(*_rounded(points, 1.6))
    style = (0, (2.2, 1.8)) if dashed else "solid"
    shade = colour if lit else fade(colour, 0.72)
    axes.add_patch(PathPatch(path, fill=False, edgecolor=shade, linewidth=2.0, linestyle=style, capstyle="butt", zorder=3))
    (x0, y0), (x1, y1) = points[-2:]
    length = np.hypot(x1 - x0, y1 - y0)
    tail = x1 - 0.3 * (x1 - x0) / length, y1 - 0.3 * (y1 - y0) / length
    head = FancyArrowPatch(tail, (x1, y1), arrowstyle="-|>,head_length=0.42,head_width=0.24", mutation_scale=16)
    head.set(color=shade, linewidth=0, zorder=4)
    head.shrinkA = head.shrinkB = 0
    axes.add_patch(head)


def _rounded(points: list[Point], radius: float) -> tuple[list[Point], list[np.uint8]]:
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, here, after in zip(points, points[1:], points[2:]):
        vertices += [_towards(here, before, radius), here, _towards(here, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return [*vertices, _towards(points[-1], points[-2], 1.1)], [*codes, Path.LINETO]  # stop inside the head


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    part = min(distance, length / 2) / length
    return start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])


def column(axes: Axes, solid: Solid, row: int, col: int, grid: int, images: np.ndarray, lit: bool) -> None:
    """Draw one column of tubelets: the front patch of the image, and its top and right side through time.

    Args:
        solid: where the whole block stands.
        row, col: of the column, counted from the top left.
        grid: cells a side.
        images: (t, size, size, 3) frames in 0..1, the first one in front.
        lit: False draws it pale.
    """
    cell, size = solid.side / grid, images.shape[1] // grid
    x, y = _lower_left(solid, row, col, grid)
    patches = images[:, row * size : (row + 1) * size, col * size : (col + 1) * size]
    if not lit:
        patches = 1 - 0.3 * (1 - patches)
    for k in reversed(range(solid.pieces)):
        tint = patches[k].mean((0, 1))
        start, stop = k / solid.pieces, (k + 0.9) / solid.pieces
        _facet(axes, solid, [(x, y + cell), (x + cell, y + cell)], (start, stop), tint * 0.92)  # top
        _facet(axes, solid, [(x + cell, y), (x + cell, y + cell)], (start, stop), tint * 0.78)  # right
    axes.imshow(patches[0], extent=(x, x + cell, y, y + cell), interpolation="bilinear", zorder=2)
    axes.add_patch(Rectangle((x, y), cell, cell, fill=False, edgecolor=PAPER, linewidth=1.1, zorder=2))


def _lower_left(solid: Solid, row: int, col: int, grid: int) -> Point:
    cell = solid.side / grid
    return solid.corner[0] + col * cell, solid.corner[1] + (grid - 1 - row) * cell


def _facet(axes: Axes, solid: Solid, edge: list[Point], reach: tuple[float, float], tint: np.ndarray) -> None:
    """Sweep an edge of the front face along the depth, from reach[0] to reach[1] of it."""
    (dx, dy), (near, far) = solid.depth, reach
    corners = [(x + near * dx, y + near * dy) for x, y in edge] + [(x + far * dx, y + far * dy) for x, y in edge[::-1]]
    axes.add_patch(Polygon(corners, facecolor=tint, edgecolor=PAPER, linewidth=0.7, zorder=2))


def ghost(axes: Axes, solid: Solid, row: int, col: int, grid: int, lit: bool) -> None:
    """Draw the empty place of a hidden column: a thin dashed outline on the front face."""
    cell = solid.side / grid
    shade = fade(INK, 0.62 if lit else 0.86)
    place = Rectangle(_lower_left(solid, row, col, grid), cell, cell, facecolor=fade(INK, 0.96), edgecolor=shade)
    place.set(linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
    axes.add_patch(place)


def tokens(axes: Axes, centre: Point, colour: str, count: int, lit: bool, hollow: bool = False) -> None:
    """Draw a short column of tokens, the vectors that networks hand on.

    Args:
        centre: middle of the column, in canvas units.
        count: number of squares.
        hollow: True for mask tokens, which carry a place and no content.
    """
    side, gap = 1.5, 0.42
    top = centre[1] + (count * (side + gap) - gap) / 2
    for k in range(count):
        shade = fade(colour, 0.12 * (k % 3)) if lit else fade(colour, 0.78)
        corner = centre[0] - side / 2, top - k * (side + gap) - side
        square = FancyBboxPatch(corner, side, side, "round,pad=0,rounding_size=0.3", edgecolor=shade, zorder=5)
        square.set(facecolor=PAPER if hollow else shade, linewidth=1.5 if hollow else 0)
        axes.add_patch(square)


def fade(colour: str, amount: float) -> str:
    """Mix a "#RRGGBB" colour with white; amount 0 keeps it, 1 gives white."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(c + (255 - c) * amount):02X}" for c in channels)
