"""The form of a chapter, as small functions from a notebook to the list of its breaches.

test_chapters.py applies them to the committed chapters, and applies each of them to a notebook that breaks it. CONTRIBUTING.md
says the same in prose. A notebook is the JSON that nbformat reads.
"""

import json
import re
import statistics
from collections.abc import Callable

MAX_CELL_LINES, MAX_MEDIAN_LINES, MAX_SETUP_LINES = 25, 8, 8
MAX_BYTES = 3_000_000
TEXT_PER_CODE = (1.0, 2.6)  # the design asks for 1.3-2.0; a chapter may have its reasons
SOLUTION_BEGIN, SOLUTION_END = "### BEGIN SOLUTION", "### END SOLUTION"
MAX_UNCOMPARED = 0.34  # share of code cells whose output nbval is told to ignore

# What the text of a chapter must hold somewhere: (name, pattern).
SECTIONS = [
    ("a title (# …)", r"^# \S"),
    ("*You will learn*", r"you will learn"),
    ("*You need*", r"you need"),
    ("the bill: seconds", r"\b(seconds|s on \d+ CPU|minutes)\b"),
    ("the bill: peak RAM", r"\bRAM\b"),
    ("the bill: download", r"download"),
    ("Your turn", r"^#+ .*your turn"),
    ("Recap", r"^#+ .*recap"),
    ("What the official code does more", r"official code does more"),
    ("Sources", r"(^#+ .*sources|\*\*sources)"),
]
FORBIDDEN = [
    ("pip in a cell", r"(^|[!%\s])pip3? install"),
    ("a shell command", r"^\s*!"),
    ("sys.path", r"\bsys\.path\b"),
    ("a star import", r"^\s*from \S+ import \*"),
    ("a global seed", r"\b(torch\.manual_seed|np\.random\.seed|random\.seed)\("),
]
FOREIGN_PATH = re.compile(r"/(work|home|root|Users)/[\w./-]+")


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]


def text_of(notebook: dict) -> str:
    return "\n\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def is_executed(notebook: dict) -> list[str]:
    """Breaches of: a kernel ran all cells once, from top to bottom, and no cell ended in an error."""
    breaches = []
    for want, cell in enumerate(code_cells(notebook), start=1):
        if cell["execution_count"] != want:
            breaches.append(f"code cell {want} has execution_count {cell['execution_count']}: restart, run all, save")
        expected = {"raises-exception", "nbval-raises-exception"} & set(tags(cell))
        errors = [o for o in cell["outputs"] if o["output_type"] == "error"]
        breaches += [f"code cell {want} ended in {o['ename']}: {o['evalue']}" for o in errors if not expected]
    return breaches


def is_small(notebook: dict) -> list[str]:
    size = sum(len(json.dumps(cell["outputs"])) for cell in code_cells(notebook))
    return [f"outputs take {size / 1e6:.1f} MB, at most {MAX_BYTES / 1e6:.0f}"] if size > MAX_BYTES else []


def has_short_cells(notebook: dict) -> list[str]:
    counts = [len(cell["source"].splitlines()) for cell in code_cells(notebook)] or [0]
    breaches = [f"code cell {i} has {n} lines" for i, n in enumerate(counts, start=1) if n > MAX_CELL_LINES]
    if statistics.median(counts) > MAX_MEDIAN_LINES:
        breaches.append(f"the median code cell has {statistics.median(counts)} lines, at most {MAX_MEDIAN_LINES}")
    return breaches


def has_a_short_setup(notebook: dict) -> list[str]:
    cells = code_cells(notebook)
    lines = cells[0]["source"].splitlines() if cells else []
    if not any(re.match(r"(from|import) ", line) for line in lines):
        return ["the first code cell is not the setup cell: it imports nothing"]
    return [f"the setup cell has {len(lines)} lines, at most {MAX_SETUP_LINES}"] if len(lines) > MAX_SETUP_LINES else []


def does_nothing_forbidden(notebook: dict) -> list[str]:
    cells = enumerate(code_cells(notebook), start=1)
    found = [(i, name) for i, c in cells for name, p in FORBIDDEN if re.search(p, c["source"], re.MULTILINE)]
    return [f"code cell {i} has {name}" for i, name in found]


def has_the_sections(notebook: dict) -> list[str]:
    text = text_of(notebook)
    return [f"no {name}" for name, p in SECTIONS if not re.search(p, text, re.MULTILINE | re.IGNORECASE)]


def has_exercises(notebook: dict) -> list[str]:
    """Breaches of: 2-4 cells to solve, their marks in pairs around at least one line, and as many calls of a check."""
    cells, breaches = code_cells(notebook), []
    to_solve = [c for c in cells if SOLUTION_BEGIN in c["source"] or SOLUTION_END in c["source"]]
    if not 2 <= len(to_solve) <= 4:
        breaches.append(f"{len(to_solve)} cells with solution marks, 2-4 wanted")
    for cell in to_solve:
        pairs = re.findall(rf"^\s*{SOLUTION_BEGIN}$\n(.+?)^\s*{SOLUTION_END}$", cell["source"], re.MULTILINE | re.DOTALL)
        marks = cell["source"].count(SOLUTION_BEGIN), cell["source"].count(SOLUTION_END)
        if marks != (len(pairs), len(pairs)) or not all(inside.strip() for inside in pairs):
            breaches.append(f"solution marks do not pair: {cell['source'].splitlines()[0]}")
        if not cell["metadata"].get("nbgrader", {}).get("solution"):
            breaches.append(f"no nbgrader metadata with solution=true: {cell['source'].splitlines()[0]}")
    checks = [c for c in cells if re.search(r"\bcheck\.ch\d\d\.\w+\(|\bch\d\d\.\w+\(", c["source"])]
    if len(checks) < len(to_solve):
        breaches.append(f"{len(to_solve)} cells to solve but {len(checks)} that call check.chNN.name(…)")
    return breaches


def has_sound_nbgrader_metadata(notebook: dict) -> list[str]:
    marked = [c["metadata"]["nbgrader"] for c in notebook["cells"] if "nbgrader" in c["metadata"]]
    names = [m.get("grade_id") for m in marked]
    breaches = [f"grade_id {n} is missing or used twice" for n in set(names) if not n or names.count(n) > 1]
    for mark in marked:
        missing = {"grade", "locked", "schema_version", "solution"} - set(mark)
        if missing:
            breaches.append(f"nbgrader metadata of {mark.get('grade_id')} lacks {', '.join(sorted(missing))}")
        if mark.get("grade") and "points" not in mark:
            breaches.append(f"{mark.get('grade_id')} is graded but has no points")
    return breaches


def text_per_code(notebook: dict) -> float:
    texts = sum(cell["cell_type"] == "markdown" for cell in notebook["cells"])
    return texts / max(1, len(code_cells(notebook)))


def has_enough_text(notebook: dict) -> list[str]:
    ratio, (low, high) = text_per_code(notebook), TEXT_PER_CODE
    return [] if low <= ratio <= high else [f"{ratio:.2f} text cells a code cell, between {low} and {high} wanted"]


def is_mostly_compared(notebook: dict) -> list[str]:
    """Breaches of: few cells are kept from nbval, and only by the tag that the design names."""
    cells = code_cells(notebook)
    ignored = [c for c in cells if "nbval-ignore-output" in tags(c)]
    breaches = [f"code cell {i} is skipped by nbval" for i, c in enumerate(cells, 1) if "nbval-skip" in tags(c)]
    breaches += [
        f"code cell {i} has a # NBVAL comment: use the tag" for i, c in enumerate(cells, 1) if "# NBVAL" in c["source"]
    ]
    if len(ignored) > MAX_UNCOMPARED * len(cells):
        breaches.append(f"{len(ignored)} of {len(cells)} code cells are tagged nbval-ignore-output")
    return breaches


def shows_no_foreign_path(notebook: dict) -> list[str]:
    cells = enumerate(code_cells(notebook), start=1)
    texts = [(i, json.dumps([{k: v for k, v in o.items() if k != "metadata"} for o in c["outputs"]])) for i, c in cells]
    clean = [(i, re.sub(r'"(image|video)/\w+": "[^"]*"|base64,[A-Za-z0-9+/=]+', "", text)) for i, text in texts]
    found = [(i, FOREIGN_PATH.search(text)) for i, text in clean]
    return [f"code cell {i} shows {match.group()}: a path of one machine" for i, match in found if match]


RULES: list[Callable[[dict], list[str]]] = [
    is_executed,
    is_small,
    has_short_cells,
    has_a_short_setup,
    does_nothing_forbidden,
    has_the_sections,
    has_exercises,
    has_sound_nbgrader_metadata,
    has_enough_text,
    is_mostly_compared,
    shows_no_foreign_path,
]
