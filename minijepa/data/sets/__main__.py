"""The command ``python -m minijepa.data.sets check --dataset ssv2 --root /data/ssv2``: is my copy whole?"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from minijepa.data.sets.check import SETS, check


@dataclass(frozen=True)
class Check:
    """Look over a copy of a data set: lists, classes, videos, and whether some of them open. Ends with 1 if it is not whole."""

    dataset: Literal["ssv2", "kinetics", "diving48", "jester", "epic_kitchens"]  # which format to expect
    root: Path  # folder of the data set
    splits: tuple[str, ...] = ()  # only these, e.g. train validation; none means all
    samples: int = 8  # videos to open in each split
    seed: int = 0  # of the choice of these videos


@dataclass(frozen=True)
class Layout:
    """Show the files and folders that a reader expects."""

    dataset: Literal["ssv2", "kinetics", "diving48", "jester", "epic_kitchens"]  # which one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a wrong argument ends it with one line instead of a traceback."""
    command = tyro.extras.subcommand_cli_from_dict(
        {"check": Check, "layout": Layout}, args=arguments, prog="minijepa.data.sets"
    )
    if isinstance(command, Layout):
        sys.stdout.write(SETS[command.dataset].__doc__ + "\n")
        return 0
    try:
        report = check(command.dataset, command.root, command.splits, command.samples, command.seed)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.usable else 1


if __name__ == "__main__":
    sys.exit(main())
