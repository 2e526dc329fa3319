"""Make nbgrader assignments from the chapters.

    .venv/bin/python scripts/make_assignments.py COURSE            all chapters
    .venv/bin/python scripts/make_assignments.py COURSE 02 04      some of them

COURSE becomes an nbgrader course folder: `source/chNN` holds the chapter with one graded cell after each check, `release/chNN`
what the students get: the lines between the solution marks are gone. From there it is nbgrader as ever:
`nbgrader autograde chNN`, `nbgrader generate_feedback chNN`, inside COURSE. A check is worth one point.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHECK = re.compile(r"(check\.)?ch\d\d\.\w+")


def checks(source: str) -> list[str]:
    """List the calls of a grader in a cell, e.g. "check.ch02.turn(turn)"; a cell of magics has none."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(node) for node in calls if CHECK.fullmatch(ast.unparse(node.func))]


def graded_cell(call: str):
    """Make the locked cell that gives its point only when the verdict is "passed"."""
    name = re.sub(r"\W+", "-", call.split("(")[0]) + "-graded"
    mark = {"grade": True, "grade_id": name, "locked": True, "points": 1, "schema_version": 3, "solution": False, "task": False}
    source = f"verdict = {call}\nassert verdict.passed, verdict.message"
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": mark})


def assignment(notebook):
    """Give the chapter with a graded cell after every cell that calls a check."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            cells += [graded_cell(call) for call in checks(cell.source)]
    notebook.cells = cells
    return notebook


def main(course: Path, numbers: list[str]) -> None:
    # nbgrader calls alembic by its name
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        name = f"ch{path.name[:2]}"
        if numbers and path.name[:2] not in numbers:
            continue
        (course / "source" / name).mkdir(parents=True, exist_ok=True)
        nbformat.write(assignment(nbformat.read(path, as_version=4)), course / "source" / name / path.name)
        command = [sys.executable, "-m", "nbgrader", "generate_assignment", name, "--create", "--force"]
        subprocess.run(command, cwd=course, env=environment, check=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
