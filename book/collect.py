"""Bring into book/ what lies elsewhere: the executed notebooks as chapters/, a map of them, and the API pages."""

from collections.abc import Mapping
from pathlib import Path

import api

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
PARTS: Mapping[str, Mapping[int, str]] = {
    "I · See": {
        0: "Start here: the tour",
        1: "Video as a tensor, tubelets",
        2: "Where and when: 3-D rotary positions",
        3: "Attention and the video transformer",
    },
    "II · Learn": {
        4: "Masks",
        5: "The predictor",
        6: "Predict in latent space",
        7: "Collapse: cause it, measure it, cure it",
        8: "What did it learn?",
    },
    "III · The real thing": {9: "Official checkpoints", 10: "Recognise and anticipate"},
    "IV · Judge": {11: "Surprise: impossible physics", 12: "Talking about video"},
    "V · Act": {13: "Actions", 14: "Planning", 15: "Why not pixels?"},
    "VI · Franka": {
        16: "Poses, actions, DROID data",
        17: "A world model of the arm",
        18: "Reach, grasp, place from a goal image",
        19: "Where the camera stands; the real arm",
    },
    "VII · Beyond": {20: "Two time scales", 21: "From here to the paper"},
}


def collect(notebooks: Path = ROOT / "notebooks", book: Path = BOOK) -> None:
    """Write book/chapters/ and book/api/ from the notebooks and the package; nothing is run.

    Files that have not changed keep their time, so that Sphinx reads only what is new.
    """
    found = {int(path.name[:2]): path for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))}
    pages = {f"chapters/{path.name}": path.read_bytes() for path in found.values()}
    pages["chapters/map.md.inc"] = chapter_map(found).encode()
    pages["chapters/contents.md.inc"] = contents(found).encode()
    packages = {ROOT / "minijepa": api.LIBRARY, ROOT / "robot" / "minijepa_robot": api.ROBOT}
    for package, house in packages.items():
        pages |= {f"api/{name}": text.encode() for name, text in api.pages(ROOT, package, house).items()}
    for name, content in pages.items():
        _write(book / name, content)
    for folder in ("chapters", "api"):
        for old in (book / folder).rglob("*.*"):
            if old.relative_to(book).as_posix() not in pages:
                old.unlink()


def chapter_map(found: Mapping[int, Path]) -> str:
    """Return a Markdown table of the course: one row a part, chapters that exist as links."""
    rows = ["| Part | Chapters |", "|---|---|"]
    for part, chapters in PARTS.items():
        cells = [_entry(number, title, found.get(number)) for number, title in chapters.items()]
        rows.append(f"| **{part}** | {'<br>'.join(cells)} |")
    return "\n".join(rows) + "\n"


def _entry(number: int, planned: str, path: Path | None) -> str:
    if path is None:
        return f'<span class="to-come">{number:02d} {planned}</span>'
    return f"[{number:02d} {planned}](chapters/{path.name})"


def contents(found: Mapping[int, Path]) -> str:
    """Return the tables of contents of the side bar: one a part that has a chapter."""
    text = ""
    for part, chapters in PARTS.items():
        names = [f"chapters/{found[number].stem}" for number in chapters if number in found]
        if names:
            text += "\n".join(["```{toctree}", ":hidden:", f":caption: {part}", "", *names, "```", "", ""])
    return text


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
