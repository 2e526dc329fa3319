"""The exercises of every chapter: untouched they pass their checks, emptied they do not, and nbgrader grades them so.

A cell to solve stands on the setup cell alone, so each runs here within seconds, without the chapter around it.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import nbformat
import pytest
from nbformat.v4 import new_notebook

from tests import everything
from tests.notebooks import form

ROOT = Path(__file__).parents[2]
LEFT_OUT = [ROOT / path.removeprefix("--ignore=") for path in everything.without_robot()]
CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path not in LEFT_OUT]
GRADED = CHAPTERS[1:2] or CHAPTERS  # one chapter goes through nbgrader itself, which is slow
INSIDE = re.compile(rf"^( *){form.SOLUTION_BEGIN}\n.*?{form.SOLUTION_END}", re.MULTILINE | re.DOTALL)

_spec = importlib.util.spec_from_file_location("make_assignments", ROOT / "scripts" / "make_assignments.py")
make_assignments = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_assignments)


def emptied(source: str) -> str:
    return INSIDE.sub(r"\1raise NotImplementedError", source)


def verdicts(chapter: Path, change) -> dict[str, bool]:
    """Run the setup cell, the cells to solve as `change` leaves them, and their checks: {check: it passed}."""
    cells = form.code_cells(nbformat.read(chapter, as_version=4))
    names, passed = {}, {}
    for cell in cells:
        if cell is cells[0] or form.SOLUTION_BEGIN in cell["source"]:
            exec(change(cell["source"]), names)
        for call in make_assignments.checks(cell["source"]):
            passed[call] = eval(call, names).passed
    return passed


@pytest.fixture(autouse=True)
def no_windows(monkeypatch):
    matplotlib.use("agg")
    monkeypatch.chdir(ROOT / "notebooks")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_untouched_exercises_pass_and_emptied_ones_do_not(chapter):
    untouched, empty = verdicts(chapter, str), verdicts(chapter, emptied)
    assert len(untouched) >= 2
    assert all(untouched.values()), untouched
    assert not any(empty.values()), empty


def nbgrader(course: Path, *arguments: str):
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(course)}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    subprocess.run(command, cwd=course, env=path, check=True, timeout=300, capture_output=True)


def only_exercises(path: Path):
    """Cut a notebook to its setup, its cells to solve and its graded cells, so that autograding takes seconds."""
    notebook = nbformat.read(path, as_version=4)
    code = form.code_cells(notebook)
    keep = [c for c in code if c is code[0] or "nbgrader" in c["metadata"]]
    nbformat.write(new_notebook(cells=keep, metadata=notebook.metadata), path)


@pytest.mark.parametrize("chapter", GRADED, ids=lambda path: path.stem)
def test_nbgrader_gives_all_points_to_a_solution_and_none_to_the_release(chapter, tmp_path):
    from nbgrader.api import Gradebook

    name = f"ch{chapter.name[:2]}"
    make_assignments.main(tmp_path, [chapter.name[:2]])
    release, source = (tmp_path / kind / name / chapter.name for kind in ("release", "source"))
    assert form.SOLUTION_BEGIN not in release.read_text()
    for student, notebook in (("blank", release), ("solved", source)):
        folder = tmp_path / "submitted" / student / name
        folder.mkdir(parents=True)
        (folder / chapter.name).write_text(notebook.read_text())
    for path in (source, *(tmp_path / "submitted").rglob("*.ipynb")):
        only_exercises(path)
    nbgrader(tmp_path, "generate_assignment", name, "--create", "--force")  # the gradebook has to know the cut source
    nbgrader(tmp_path, "autograde", name)
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        scores = {s.student.id: (s.score, s.max_score) for s in book.assignment_submissions(name)}
    points = scores["solved"][1]
    assert points >= 2 and scores == {"blank": (0.0, points), "solved": (points, points)}
