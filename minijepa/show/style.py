"""One look for every figure: rcParams, and a fixed colour for each actor of the story."""

import io
from contextlib import AbstractContextManager
from typing import Final

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito's eight colours keep their order under the three common kinds of colour blindness.
ONLINE: Final = "#0072B2"  # the online encoder, which is trained by gradients (blue)
TARGET: Final = "#009E73"  # the EMA encoder and the targets that it makes (green)
PREDICTOR: Final = "#E69F00"  # the predictor and its predictions (orange)
LOSS: Final = "#D55E00"  # the distance between prediction and target (vermilion)
PIXELS: Final = "#7A7A7A"  # raw pixels as a baseline (grey)
PIXEL_TWIN: Final = "#E69F00"  # the twin that reconstructs pixels (orange: the same family as a predictor of pixels)
UNTRAINED: Final = "#B5B5B5"  # the same network before training (light grey)
SUPERVISED: Final = "#CC79A7"  # a network trained from scratch on labels (purple)
SKY: Final = "#56B4E9"  # a second blue, for what needs one more colour
YELLOW: Final = "#F0E442"  # only as a fill: it is too light for lines
INK: Final = "#22303C"  # text and outlines
FAINT: Final = "#D5DAE0"  # grids, and whatever is not the topic
PAPER: Final = "#FFFFFF"  # background

COLOURS: Final[dict[str, str]] = {
    "jepa": ONLINE,
    "online": ONLINE,
    "target": TARGET,
    "predictor": PREDICTOR,
    "loss": LOSS,
    "pixels": PIXELS,
    "raw pixels": PIXELS,
    "tubes alone": SKY,
    "pixel twin": PIXEL_TWIN,
    "untrained": UNTRAINED,
    "supervised": SUPERVISED,
}

SEQUENTIAL: Final = "viridis"  # from nothing to much: perceptually even, readable in grey
DIVERGING: Final = LinearSegmentedColormap.from_list("minijepa", [ONLINE, "#F7F7F7", LOSS])  # zero in the middle


def colour(name: str) -> str:
    """Return the house colour of an actor of the story, such as "jepa" or "pixels".

    Args:
        name: a key of `COLOURS`, in any case; "_" and "-" count as spaces.
    Returns: a colour as "#RRGGBB".
    Raises: ValueError for a name without a colour.
    """
    key = name.lower().replace("_", " ").replace("-", " ")
    if key not in COLOURS:
        raise ValueError(f"expected one of {sorted(COLOURS)}, got {name!r}: pick one of these")
    return COLOURS[key]


class Picture(Figure):
    """Show itself once in a notebook, as the value of a cell, whether or not pyplot was imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()


def house_style() -> AbstractContextManager[None]:
    """Return a context, also usable as a decorator `@house_style()`, that draws in the house style and then restores."""
    return matplotlib.rc_context(_lines() | _text())


def canvas(size: tuple[float | int, float | int] = (8.0, 3.6), rows: int = 1, cols: int = 1) -> tuple[Picture, np.ndarray]:
    """Make an empty figure that a notebook shows as the value of a cell.

    Args:
        size: width and height in inches.
        rows, cols: number of axes.
    Returns: the figure and its axes as an array (rows, cols).
    """
    figure = Picture(figsize=size)
    return figure, figure.subplots(rows, cols, squeeze=False)


def use_style() -> None:
    """Set matplotlib's rcParams to the house style: legible at notebook width, calm, colour-blind-safe.

    Uses only the font that matplotlib ships, so that a figure looks the same on every machine.
    """
    matplotlib.rcParams.update(_lines() | _text())


def _text() -> dict[str, object]:
    return {
        "font.family": "DejaVu Sans",
        "mathtext.fontset": "dejavusans",
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 9,
        "axes.labelsize": 11,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "legend.fontsize": 10,
        "figure.titlesize": 13,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
    }


def _lines() -> dict[str, object]:
    return {
        "figure.figsize": (8.0, 3.6),
        "figure.dpi": 110,
        "savefig.dpi": 110,
        "figure.facecolor": PAPER,
        "figure.constrained_layout.use": True,
        "axes.facecolor": PAPER,
        "axes.edgecolor": "#8A949E",
        "axes.linewidth": 0.9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=[ONLINE, LOSS, TARGET, PREDICTOR, SUPERVISED, SKY, PIXELS]),
        "grid.color": "#E6EAEE",
        "grid.linewidth": 0.8,
        "xtick.color": "#5A6672",
        "ytick.color": "#5A6672",
        "lines.linewidth": 2.0,
        "lines.markersize": 5,
        "legend.frameon": False,
        "image.cmap": SEQUENTIAL,
        "image.interpolation": "nearest",
    }
