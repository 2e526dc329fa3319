"""The committed chapters keep their form and were executed, and each rule catches a notebook that breaks it."""

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks import form

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WRITTEN = 11  # chapters from 00 on without a gap; later ones may be written before those between
EXERCISE = "def keep(n):\n    ### BEGIN SOLUTION\n    return n\n    ### END SOLUTION"
GOOD_TEXTS = [
    "# 04 Masks\n\nOne claim.",
    "**You will learn** to draw. **You need** chapter 03. Bill: 20 seconds, 0.4 GB RAM, 0 MB download.",
    "## Your turn",
    "Why.",
    "More.",
    "## Recap",
    "## What the official code does more\n\n## Sources",
]


def exercise(name: str):
    mark = {"grade_id": name, "grade": False, "locked": False, "schema_version": 3, "solution": True}
    return new_code_cell(EXERCISE, metadata={"nbgrader": mark})


def good_notebook():
    """Make the smallest notebook that keeps every rule."""
    cells = [new_markdown_cell(text) for text in GOOD_TEXTS]
    cells += [new_code_cell("import torch"), exercise("a"), new_code_cell("check.ch04.keep(keep)"), exercise("b")]
    cells += [new_code_cell("check.ch04.keep(keep)", outputs=[new_output("stream", text="right")])]
    for count, cell in enumerate([c for c in cells if c.cell_type == "code"], start=1):
        cell.execution_count = count
    return new_notebook(cells=cells)


def code(notebook, index):
    return form.code_cells(notebook)[index]


def not_run(notebook):
    code(notebook, 1).execution_count = None


def ended_in_error(notebook):
    code(notebook, 1).outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def large(notebook):
    code(notebook, 1).outputs = [new_output("stream", text="x" * (form.MAX_BYTES + 1))]


def long_cell(notebook):
    code(notebook, 2).source += "\nx = 1" * form.MAX_CELL_LINES


def long_median(notebook):
    for cell in form.code_cells(notebook):
        cell.source += "\nx = 1" * form.MAX_MEDIAN_LINES


def long_setup(notebook):
    code(notebook, 0).source = "import torch\n" * 9


def no_setup(notebook):
    code(notebook, 0).source = "x = 1"


def pip_install(notebook):
    code(notebook, 2).source = "%pip install torch"


def star_import(notebook):
    code(notebook, 2).source = "from torch import *"


def no_recap(notebook):
    notebook.cells = [c for c in notebook.cells if "Recap" not in c.source]


def one_exercise(notebook):
    notebook.cells = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "b"]


def open_mark(notebook):
    code(notebook, 1).source = EXERCISE.replace("### END SOLUTION", "")


def no_check(notebook):
    code(notebook, 2).source = "keep(3)"


def same_grade_id(notebook):
    code(notebook, 3).metadata["nbgrader"]["grade_id"] = "a"


def no_points(notebook):
    code(notebook, 3).metadata["nbgrader"]["grade"] = True


def little_text(notebook):
    notebook.cells = [c for c in notebook.cells if c.source not in GOOD_TEXTS[2:]]


def skipped_cell(notebook):
    code(notebook, 1).metadata["tags"] = ["nbval-skip"]


def ignored_everywhere(notebook):
    for cell in form.code_cells(notebook):
        cell.metadata["tags"] = ["nbval-ignore-output"]


def foreign_path(notebook):
    code(notebook, 1).outputs = [new_output("execute_result", data={"text/plain": "'/home/ann/minijepa/clip.mp4'"})]


BREAKS = [
    (form.is_executed, not_run),
    (form.is_executed, ended_in_error),
    (form.is_small, large),
    (form.has_short_cells, long_cell),
    (form.has_short_cells, long_median),
    (form.has_a_short_setup, long_setup),
    (form.has_a_short_setup, no_setup),
    (form.does_nothing_forbidden, pip_install),
    (form.does_nothing_forbidden, star_import),
    (form.has_the_sections, no_recap),
    (form.has_exercises, one_exercise),
    (form.has_exercises, open_mark),
    (form.has_exercises, no_check),
    (form.has_sound_nbgrader_metadata, same_grade_id),
    (form.has_sound_nbgrader_metadata, no_points),
    (form.has_enough_text, little_text),
    (form.is_mostly_compared, skipped_cell),
    (form.is_mostly_compared, ignored_everywhere),
    (form.shows_no_foreign_path, foreign_path),
]


@pytest.mark.parametrize("rule", form.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_form(chapter, rule):
    breaches = rule(nbformat.read(chapter, as_version=4))
    assert not breaches, f"\n{chapter.name}: " + f"\n{chapter.name}: ".join(breaches)


def test_chapters_are_numbered_without_a_gap():
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name) for path in CHAPTERS), [p.name for p in CHAPTERS]
    numbers = [int(path.name[:2]) for path in CHAPTERS]
    assert numbers[:WRITTEN] == list(range(WRITTEN)) and len(set(numbers)) == len(numbers), numbers


def test_good_notebook_keeps_every_rule():
    assert [breach for rule in form.RULES for breach in rule(good_notebook())] == []


@pytest.mark.parametrize("rule, spoil", BREAKS, ids=lambda value: value.__name__)
def test_rule_catches(rule, spoil):
    notebook = copy.deepcopy(good_notebook())
    spoil(notebook)
    assert rule(notebook), f"{rule.__name__} let {spoil.__name__} through"


def test_every_rule_has_a_bad_notebook():
    assert {rule for rule, _ in BREAKS} == set(form.RULES)
