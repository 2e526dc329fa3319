"""Draw the pictures under book/_static again: `python book/draw.py`, when minijepa.show.dataflow has changed."""

from pathlib import Path

import matplotlib

from minijepa.show.dataflow import dataflow

STATIC = Path(__file__).parent / "_static"


def main() -> None:
    """Write dataflow.svg for the book and dataflow.png for the README."""
    matplotlib.rcParams["svg.hashsalt"] = "minijepa"  # the same ids in every run, so that git sees no change
    figure = dataflow()
    figure.savefig(STATIC / "dataflow.svg", metadata={"Date": None})
    figure.savefig(STATIC / "dataflow.png", dpi=200)


if __name__ == "__main__":
    main()
