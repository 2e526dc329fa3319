"""Read annotation files: find them, parse them, and say which line of which file is wrong."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from minijepa.data.video_error import VideoError

FOLDERS = ("", "labels", "annotations")  # below the root, where people keep annotation files
FETCH = "fetch the file again from where the data set is offered"


def find_file(root: str | os.PathLike, names: Sequence[str], folders: Sequence[str] = FOLDERS) -> Path:
    """Return the first of these files that lies in the root or in one of the folders below it.

    Raises:
        VideoError: no such root, or none of the files, with all places that were looked at.
    """
    root = require_folder(root)
    places = [root / folder / name for name in names for folder in folders]
    for place in places:
        if place.is_file():
            return place
    wrong = f"holds no annotation file {' or '.join(names)}"
    looked = ", ".join(dict.fromkeys(str(place.parent) for place in places))
    raise VideoError.about(
        root, wrong, f"put it into one of {looked}; python -m minijepa.data.sets layout shows what belongs where"
    )


def find_folder(root: str | os.PathLike, names: Sequence[str]) -> Path:
    """Return the first of these folders below the root that exists, or the root itself."""
    root = require_folder(root)
    return next((root / name for name in names if (root / name).is_dir()), root)


def require_folder(root: str | os.PathLike) -> Path:
    """Return the root as a path; raise VideoError unless it is a folder."""
    if not Path(root).is_dir():
        raise VideoError.about(root, "is not a folder", f"give the folder of the data set (you are in {Path.cwd()})")
    return Path(root)


def read_text(path: Path) -> str:
    """Read a text file; raise VideoError if it is missing, empty or not UTF-8."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise VideoError.about(path, "does not exist", "check the spelling and the folder") from error
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError.about(path, f"cannot be read as text ({error})", FETCH) from error
    if not text.strip():
        raise VideoError.about(path, "is empty", FETCH)
    return text


def read_json(path: Path, kind: type) -> list | dict:
    """Parse a JSON file whose outermost value is a `list` or a `dict`; raise VideoError unless it is, and holds something."""
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise VideoError.about(path, f"is broken JSON ({error})", FETCH) from error
    if not isinstance(value, kind) or not value:
        wrong = f"expected a {kind.__name__} with entries, got {type(value).__name__} of {value!r:.40}"
        raise VideoError.about(path, wrong, FETCH)
    return value


def entry_field(entry: object, key: str, kind: type, path: Path, number: int):
    """Return one field of entry `number` of a JSON list; raise VideoError if it is not there or of another type."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        wrong = f"entry {number}: expected {key!r} to be {kind.__name__}, got {value!r:.40} in {entry!r:.120}"
        raise VideoError.about(path, wrong, FETCH)
    return value


def read_rows(path: Path, delimiter: str, width: int) -> list[tuple[int, list[str]]]:
    """Split the lines of a text file into `width` fields, with the line numbers; empty lines are left out.

    Raises:
        VideoError: a line with another number of fields.
    """
    lines = enumerate(read_text(path).splitlines(), start=1)
    rows = [(number, [field.strip() for field in line.split(delimiter)]) for number, line in lines if line.strip()]
    for number, fields in rows:
        if len(fields) != width or not all(fields):
            wrong = f"line {number}: expected {width} fields split by {delimiter!r}, got {delimiter.join(fields)!r:.80}"
            raise VideoError.about(path, wrong, FETCH)
    return rows


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Parse a CSV file with a header, with the line number on which each row ends.

    Raises:
        VideoError: a column that is not there, a row of another length, no row at all.
    """
    reader = csv.DictReader(read_text(path).splitlines())
    gone = [column for column in columns if column not in (reader.fieldnames or [])]
    if gone:
        raise VideoError.about(path, f"line 1 lacks the columns {' '.join(gone)}", FETCH)
    rows = [(reader.line_num, row) for row in reader]
    for number, row in rows:
        if None in row or None in row.values():
            wrong = f"line {number}: expected {len(reader.fieldnames)} fields, got {' '.join(map(str, row.values())):.80}"
            raise VideoError.about(path, wrong, FETCH)
    if not rows:
        raise VideoError.about(path, "holds a header and no row", FETCH)
    return rows


def whole_number(text: str, what: str, path: Path, line: int) -> int:
    """Read a number of at least 0 from a field of a line; raise VideoError if it is none."""
    if not text.strip().isdecimal():
        raise VideoError.about(path, f"line {line}: expected {what} to be a whole number, got {text!r:.40}", FETCH)
    return int(text)


def require_unique(names: Iterable[str], path: Path) -> None:
    """Raise VideoError if a name occurs twice: its clip would count twice in every mean."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise VideoError.about(path, f"names {name!r} twice", f"drop one of the two, or {FETCH}")
        seen.add(name)


def class_index(label: str, indices: dict[str, int], path: Path, where: str) -> int:
    """Look up a class by its name; raise VideoError for a name that the list of classes does not hold."""
    if label not in indices:
        wrong = f"{where}: the label {label!r:.80} is not among the {len(indices)} classes"
        raise VideoError.about(path, wrong, "take annotations and class list from the same release")
    return indices[label]
