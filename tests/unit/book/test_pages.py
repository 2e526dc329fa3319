"""The API pages say what the source says, and the chapters of the book are those that exist."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "book"))
import api  # noqa: E402
import collect  # noqa: E402

SOURCE = '''"""Hold a toy module."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Describe a toy."""

    width: int = 4  # channels [1]
    name: "str | None" = None  # what | who


def mix(x: Float[Tensor, "b n"], *, rate: float = 0.5) -> Float[Tensor, "b n"]:
    """Mix $x$ with *itself*.

    Args:
        x: what to mix,
            in two lines.
        rate: share, 0..1.
    Returns: the same `x_y` shape.
    Raises: ValueError if rate is <0.
    """


def plain(video, keep):
    """Return tokens.

    video: pixels,
    on two lines.
    keep: ids.
    Returns what is kept.
    """


def _hidden():
    pass
'''


def toy(tmp_path):
    package = tmp_path / "minijepa"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "toy.py").write_text(SOURCE)
    return api.pages(tmp_path, package, api.LIBRARY)


def test_every_public_name_has_its_signature_and_no_private_one(tmp_path):
    page = toy(tmp_path)["minijepa.model.toy.md"]
    assert "{py:class} Config" in page
    assert "{py:function} mix(x: Float[Tensor, 'b n'], *, rate: float=0.5) -> Float[Tensor, 'b n']" in page
    assert "_hidden" not in page
    assert "../../minijepa/model/toy.py" in page


def test_fields_carry_the_comment_beside_them(tmp_path):
    page = toy(tmp_path)["minijepa.model.toy.md"]
    assert "| `width` | `int` | `4` | channels \\[1\\] |" in page
    assert "what \\| who" in page


def test_sections_become_lists_and_markdown_is_escaped(tmp_path):
    page = toy(tmp_path)["minijepa.model.toy.md"]
    assert "- `x`: what to mix,\n  in two lines." in page
    assert "- `rate`: share, 0..1." in page
    assert "**Returns**&ensp;the same `x_y` shape." in page
    assert "Mix \\$x\\$ with \\*itself\\*." in page


def test_bare_arguments_are_recognised_by_name(tmp_path):
    page = toy(tmp_path)["minijepa.model.toy.md"]
    assert "- `video`: pixels,\n  on two lines.\n- `keep`: ids." in page
    assert "\nReturns what is kept." in page


@pytest.mark.parametrize(("folder", "house"), [("minijepa", api.LIBRARY), ("robot/minijepa_robot", api.ROBOT)])
def test_every_module_has_a_page_that_shows_its_file(folder, house):
    pages = api.pages(ROOT, ROOT / folder, house)
    for path in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
            name = ".".join(path.relative_to((ROOT / folder).parent).with_suffix("").parts).removesuffix(".__init__")
            assert f"{name}.md" in pages
            assert f"]({name}.md)" in pages[f"{house.index}.md"], f"{name} stands on no floor of the index"
            private = "literalinclude" not in pages[f"{name}.md"]
            assert private or f"../../{path.relative_to(ROOT).as_posix()}" in pages[f"{name}.md"]


def notebook(path, title):
    cell = {"cell_type": "markdown", "source": f"# {title}", "metadata": {}}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def test_chapters_are_copied_listed_and_forgotten_when_they_go(tmp_path):
    notebooks, book = tmp_path / "notebooks", tmp_path / "book"
    notebooks.mkdir()
    notebook(notebooks / "04_masks.ipynb", "04 Masks")
    notebook(notebooks / "draft.ipynb", "not a chapter")
    collect.collect(notebooks, book)
    assert [path.name for path in (book / "chapters").glob("*.ipynb")] == ["04_masks.ipynb"]
    assert "(chapters/04_masks.ipynb)" in (book / "chapters" / "map.md.inc").read_text()
    listed = (book / "chapters" / "contents.md.inc").read_text()
    assert "chapters/04_masks" in listed and "II · Learn" in listed and "I · See" not in listed.replace("II · ", "")
    (notebooks / "04_masks.ipynb").unlink()
    collect.collect(notebooks, book)
    assert not list((book / "chapters").glob("*.ipynb"))
    assert "chapters/04" not in (book / "chapters" / "map.md.inc").read_text()


def test_the_map_holds_22_chapters_once_each():
    numbers = [number for chapters in collect.PARTS.values() for number in chapters]
    assert numbers == list(range(22))


SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ELSEWHERE = {"transformers"}  # other packages
PLANNED = {"actions", "states", "goal"}  # of the parts on acting, not written yet


@pytest.mark.parametrize("page", ["notation", "paper_and_code", "implementation", "models"])
def test_names_in_the_reference_pages_exist_in_the_library(page):
    source = "\n".join(path.read_text() for path in (ROOT / "minijepa").rglob("*.py"))
    known = set(re.findall(r"\w+", source)) | ELSEWHERE | PLANNED
    spans = SPAN.findall((ROOT / "book" / f"{page}.md").read_text())
    assert len(spans) > 3
    lost = {(span, word) for span in spans for word in re.findall(r"[A-Za-z_]\w{3,}", span) if word not in known}
    assert not lost
