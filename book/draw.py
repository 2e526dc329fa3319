"""Draw the pictures under book/_static again: `python book/draw.py`, when minijepa.show.dataflow has changed."""

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from minijepa.show.dataflow import dataflow
from minijepa.show.drawing import fade
from minijepa.show.style import INK, ONLINE, PREDICTOR, TARGET

STATIC = Path(__file__).parent / "_static"
MARK = {(0, 0): ONLINE, (0, 1): ONLINE, (1, 0): ONLINE, (2, 1): PREDICTOR, (2, 2): TARGET}  # seen, guessed, the truth


def main() -> None:
    """Write the data-flow picture, as SVG for the book and PNG for the README, the two logos and the favicon."""
    matplotlib.rcParams["svg.hashsalt"] = "minijepa"  # the same ids in every run, so that git sees no change
    figure = dataflow()
    _save(figure, "dataflow.svg")
    figure.savefig(STATIC / "dataflow.png", dpi=200, bbox_inches="tight", pad_inches=0.05)
    for name, ink in (("logo-light", INK), ("logo-dark", "#E8EDF2")):
        figure = _logo(ink)
        _save(figure, f"{name}.svg")
    figure = Figure(figsize=(1, 1))
    _mark(figure.add_axes((0, 0, 1, 1)), INK)
    _save(figure, "favicon.svg")


def _save(figure: Figure, name: str) -> None:
    trim = {"bbox_inches": "tight", "pad_inches": 0.05} if name == "dataflow.svg" else {"transparent": True}
    figure.savefig(STATIC / name, metadata={"Date": None}, **trim)


def _logo(ink: str) -> Figure:
    figure = Figure(figsize=(4.4, 1))
    _mark(figure.add_axes((0, 0, 1 / 4.4, 1)), ink)
    figure.text(1.18 / 4.4, 0.47, "minijepa", fontsize=40, weight="bold", color=ink, va="center", family="DejaVu Sans")
    return figure


def _mark(axes: Axes, ink: str) -> None:
    """Draw nine patches of a frame: some are seen, one is guessed beside what it really is, the rest stay hidden."""
    for row in range(3):
        for col in range(3):
            colour = MARK.get((row, col))
            hidden = fade(ink, 0.55) if ink == INK else "#8894A0"
            tile = FancyBboxPatch((col + 0.12, 2 - row + 0.12), 0.76, 0.76, "round,pad=0,rounding_size=0.16")
            tile.set(facecolor=colour or "none", edgecolor=colour or hidden, linewidth=1.6)
            axes.add_patch(tile)
    axes.set(xlim=(-0.1, 3.1), ylim=(-0.1, 3.1), aspect="equal")
    axes.axis("off")


if __name__ == "__main__":
    main()
