"""Show the library's own source in a notebook, so that a chapter never pastes a copy of it."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Listing:
    """Hold code with its place; a notebook shows it highlighted."""

    place: str  # file, relative to the package
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"`{self.place}`\n\n```python\n{self.text}\n```"


def source(*things: Callable, docstrings: bool = True) -> Listing:
    """Show the source of functions, classes or methods of one file.

    Args:
        things: what to show, in this order.
        docstrings: False leaves docstrings out, where the chapter says the same in prose.
    Returns: a listing, which a notebook shows as the value of a cell.
    Raises: ValueError without anything to show.
    """
    if not things:
        raise ValueError("source: expected at least one function or class, got none")
    file = Path(inspect.getsourcefile(inspect.unwrap(things[0])))
    place = file.relative_to(PACKAGE.parent) if file.is_relative_to(PACKAGE) else Path(file.name)
    texts = [textwrap.dedent(inspect.getsource(inspect.unwrap(thing))).rstrip() for thing in things]
    if not docstrings:
        texts = [_without_docstrings(text) for text in texts]
    return Listing(place.as_posix(), "\n\n\n".join(texts))


def _without_docstrings(text: str) -> str:
    """Drop the lines of every docstring."""
    silent: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            silent |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return "\n".join(line for number, line in enumerate(text.splitlines(), start=1) if number not in silent)
