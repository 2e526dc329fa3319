"""The picture of the book: clip, tubelets, encoder, predictor, targets; with today's part lit."""

from collections.abc import Collection

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from minijepa.show.drawing import Solid, arrow, box, column, fade, ghost, tokens, toy_frames, words
from minijepa.show.style import INK, LOSS, ONLINE, PAPER, PREDICTOR, SUPERVISED, TARGET, Picture

PARTS = ("video", "tubelets", "positions", "masks", "encoder", "predictor", "target", "ema", "loss", "probe")
ON_REQUEST = ("positions", "probe")  # drawn only when a chapter asks: they are not on the way to the loss
VISIBLE = {(0, 1), (1, 1), (1, 2), (2, 0), (3, 3)}  # the columns that the encoder sees in the picture
GRID = 4
UPPER, LOWER = 31.5, 10.8  # heights of the two branches, in canvas units of 0.1 inch


def dataflow(lit: str | Collection[str] = "all") -> Picture:
    """Draw how V-JEPA 2 learns, and light the part that a chapter is about.

    Args:
        lit: "all", one name of `PARTS`, or several, such as ("target", "loss").
    Returns: a figure of 9.6 x 3.6 inches, 4 high with the probe; `.savefig` writes it, a notebook shows it.
    Raises: ValueError for a name that is not a part of the picture.
    """
    on = _parts(lit)
    bottom = 0 if "probe" in on else 4.5  # the probe hangs below the rest
    figure = Picture(figsize=(9.6, (40 - bottom) / 10), dpi=110, facecolor=PAPER, layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    for draw in (_clip, _tubelets, _context, _online, _predictor, _target, _loss, _probe):
        draw(axes, on)
    axes.set(xlim=(0, 96), ylim=(bottom, 40), aspect="equal")
    axes.axis("off")
    return figure


def _parts(lit: str | Collection[str]) -> set[str]:
    names = {lit} if isinstance(lit, str) else set(lit)
    if names == {"all"}:
        return set(PARTS) - set(ON_REQUEST)
    if not names or not names <= set(PARTS):
        raise ValueError(f'expected "all" or some of {PARTS}, got {lit!r}: each name lights one part of the picture')
    return names


def _label(axes: Axes, x: float, y: float, text: str, lit: bool, title: bool = False, align: str = "center") -> None:
    words(axes, (x, y), text, INK if lit else fade(INK, 0.55), size=11.5 if title else 9.5, bold=title, align=align)


def _clip(axes: Axes, on: set[str]) -> None:
    lit = "video" in on
    frames = toy_frames(4)
    for k in reversed(range(4)):
        x, y = 1.5 + 1.45 * k, 14.5 + 1.45 * k
        frame = frames[k] if lit else 1 - 0.3 * (1 - frames[k])
        axes.imshow(frame, extent=(x, x + 9.5, y, y + 9.5), interpolation="bilinear", zorder=2 - 0.1 * k)
        axes.add_patch(Rectangle((x, y), 9.5, 9.5, fill=False, edgecolor=PAPER, linewidth=1.4, zorder=2.05 - 0.1 * k))
    _label(axes, 8.4, 11.6, "clip", lit, title=True)
    _label(axes, 8.4, 9.2, "b  c  f  H  W", lit)
    arrow(axes, [(16.3, 21.0), (20.2, 21.0)], INK, lit or "tubelets" in on)


def _tubelets(axes: Axes, on: set[str]) -> None:
    lit = bool({"tubelets", "positions"} & on)
    solid = Solid((21.2, 14.5), 9.5, (4.2, 4.2), 3)
    images = toy_frames(3)
    for row in reversed(range(GRID)):
        for col in range(GRID):
            column(axes, solid, row, col, GRID, images, lit)
    _label(axes, 28.0, 11.6, "tubelets", lit, title=True)
    _label(axes, 28.0, 9.2, "n = t · h · w", lit)
    if "positions" in on:
        for letter, x, y in (("w", 30.3, 29.6), ("t", 22.2, 27.2), ("h", 20.2, 16.9)):
            _label(axes, x, y, letter, True, title=True)
    arrow(axes, [(27.0, 29.2), (27.0, UPPER), (37.6, UPPER)], INK, bool({"tubelets", "masks"} & on))
    arrow(axes, [(35.8, 17.0), (44.0, 17.0), (44.0, LOWER), (53.2, LOWER)], INK, "target" in on)
    _label(axes, 47.6, LOWER - 2.2, "all of it", "target" in on)


def _context(axes: Axes, on: set[str]) -> None:
    lit = "masks" in on
    solid = Solid((38.4, 26.6), 8.6, (3.4, 3.4), 3)
    images = toy_frames(3)
    for row in reversed(range(GRID)):
        for col in range(GRID):
            if (row, col) in VISIBLE:
                column(axes, solid, row, col, GRID, images, lit)
            else:
                ghost(axes, solid, row, col, GRID, lit)
    _label(axes, 43.8, 24.2, "context", lit, title=True)
    _label(axes, 43.8, 21.8, "the few that are kept", lit)
    arrow(axes, [(50.6, UPPER), (53.2, UPPER)], INK, lit or "encoder" in on)


def _online(axes: Axes, on: set[str]) -> None:
    lit = "encoder" in on
    box(axes, (59.9, UPPER), (13.2, 9.4), ONLINE, "encoder", "sees the\ncontext only", lit)
    tokens(axes, (69.3, UPPER), ONLINE, 4, lit)
    arrow(axes, [(66.5, UPPER), (68.4, UPPER)], ONLINE, lit)
    arrow(axes, [(59.9, UPPER - 4.9), (59.9, LOWER + 4.9)], TARGET, bool({"target", "ema"} & on), dashed=True)
    _label(axes, 61.0, 22.2, "slow copy", bool({"target", "ema"} & on), align="left")
    _label(axes, 61.0, 20.0, "(EMA)", bool({"target", "ema"} & on), align="left")


def _predictor(axes: Axes, on: set[str]) -> None:
    lit = "predictor" in on
    arrow(axes, [(70.2, UPPER), (73.2, UPPER)], ONLINE, lit)
    box(axes, (79.2, UPPER), (12.0, 9.4), PREDICTOR, "predictor", "guesses what\nwas hidden", lit)
    tokens(axes, (71.2, 20.9), PREDICTOR, 3, lit or "masks" in on, hollow=True)
    _label(axes, 72.9, 20.9, "mask tokens:\nwhere to look", lit or "masks" in on, align="left")
    arrow(axes, [(79.2, 23.2), (79.2, UPPER - 4.9)], PREDICTOR, lit or "masks" in on)
    arrow(axes, [(85.2, UPPER), (88.6, UPPER)], PREDICTOR, lit)
    tokens(axes, (89.8, UPPER), PREDICTOR, 4, lit or "loss" in on)


def _target(axes: Axes, on: set[str]) -> None:
    lit = "target" in on
    box(axes, (59.9, LOWER), (13.2, 9.4), TARGET, "EMA encoder", "sees the\nwhole clip", lit)
    arrow(axes, [(66.5, LOWER), (88.6, LOWER)], TARGET, lit)
    for x in (76.2, 77.2):
        stop = axes.plot([x, x + 0.9], [LOWER - 1.2, LOWER + 1.2], color=LOSS if lit else fade(LOSS, 0.7))
        stop[0].set(linewidth=2.2, zorder=6)
    _label(axes, 77.2, LOWER + 2.6, "no gradient", lit)
    _label(axes, 77.2, LOWER - 2.6, "layer norm, hidden places", lit)
    tokens(axes, (89.8, LOWER), TARGET, 4, lit or "loss" in on)


def _loss(axes: Axes, on: set[str]) -> None:
    lit = "loss" in on
    middle = (UPPER + LOWER) / 2
    arrow(axes, [(89.8, UPPER - 4.2), (89.8, middle + 2.9)], PREDICTOR, lit)
    arrow(axes, [(89.8, LOWER + 4.2), (89.8, middle - 2.9)], TARGET, lit)
    box(axes, (89.8, middle), (8.4, 5.6), LOSS, "loss: L1", "", lit)


def _probe(axes: Axes, on: set[str]) -> None:
    if "probe" not in on:
        return
    arrow(axes, [(59.9, LOWER - 4.8), (59.9, 2.7), (72.0, 2.7)], SUPERVISED, True)
    box(axes, (79.4, 2.7), (15.8, 4.4), SUPERVISED, "probe: which way?", "", True)
