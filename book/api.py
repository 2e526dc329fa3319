"""Write the API pages from the source text itself: nothing is imported, and a module appears as soon as its file does."""

import ast
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple


class House(NamedTuple):
    """Say how the index of a package reads."""

    index: str  # name of the page
    title: str
    text: str
    floors: Mapping[str, str]  # folder -> heading; "" is what lies in none


LIBRARY = House(
    "index",
    "The library",
    "Imports go down the floors only. A reader who follows one clip walks from `data` to `model` to `train`, and never back. "
    "Each page ends with the whole source file: none is longer than 250 lines.",
    {
        "": "The ground: settings, loading, saving",
        "data": "Floor 1, data: pixels",
        "model": "Floor 2, model: the networks",
        "train": "Floor 3, train: learning",
        "study": "Floor 4, study: comparisons and ablations",
        "plan": "Floor 4, plan: acting",
        "judge": "Floor 4, judge: understanding",
        "talk": "Floor 4, talk: a language model that reads video tokens",
        "show": "Floor 5, show: figures and clips",
        "check": "Floor 6, check: graders of the exercises",
    },
)
ROBOT = House(
    "robot",
    "The robot",
    "The package `minijepa_robot` stands on the library, never the other way, and is built like it: imports go down only.",
    {
        "": "The ground",
        "sim": "Floor 1, sim: the simulated arm",
        "data": "Floor 2, data: episodes",
        "learn": "Floor 3, learn: world models of the arm",
        "act": "Floor 4, act: planning in the simulation, counted",
        "arm": "Floor 4, arm: one interface for simulation and hardware",
    },
)
SECTIONS = ("Args", "Returns", "Yields", "Raises", "Differs")
SPECIAL = re.compile(r"([\\\[\]*<>${}|])")


def pages(root: Path, package: Path, house: House) -> dict[str, str]:
    """Return {page name: Markdown} with one page a module of a package below ``root``, and an index by floor."""
    modules = {_dotted(path, package): path for path in sorted(package.rglob("*.py"))}
    trees = {name: ast.parse(path.read_text()) for name, path in modules.items()}
    trees = {name: tree for name, tree in trees.items() if ast.get_docstring(tree) or _public(tree)}
    texts = {
        f"{name}.md": _page(name, modules[name].relative_to(root), modules[name].read_text(), tree)
        for name, tree in trees.items()
    }
    return {f"{house.index}.md": _index(trees, package.name, house)} | texts


def _dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _floor(name: str, house: House) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in house.floors else ""


def _index(trees: Mapping[str, ast.Module], package: str, house: House) -> str:
    text = f"# {house.title}\n\n{house.text}\n"
    for floor, title in house.floors.items():
        names = [name for name in trees if _floor(name, house) == floor]
        if not names:
            continue
        rows = [f"| [`{name.removeprefix(package + '.')}`]({name}.md) | {_first_line(trees[name])} |" for name in names]
        text += f"\n## {title}\n\n| module | what it holds |\n|---|---|\n" + "\n".join(rows) + "\n"
    listed = [name for floor in house.floors for name in trees if _floor(name, house) == floor]
    return text + "\n```{toctree}\n:hidden:\n\n" + "\n".join(listed) + "\n```\n"


def _first_line(tree: ast.Module) -> str:
    return escape((ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " "))


def _page(name: str, path: Path, text: str, tree: ast.Module) -> str:
    blocks = [f"# {name.removeprefix('minijepa.')}\n", f"```{{py:module}} {name}\n```\n"]
    if doc := ast.get_docstring(tree):
        blocks.append(prose(doc))
    blocks += [_item(node, text.splitlines(), ticks=6) for node in _public(tree)]
    if _public(tree):
        place = f"../../{path.as_posix()}"
        blocks.append(
            f"## The whole file\n\n```{{literalinclude}} {place}\n:language: python\n:linenos:\n:class: whole-file\n```\n"
        )
    return "\n".join(blocks)


def _public(tree: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def _item(node: ast.FunctionDef | ast.ClassDef, source: list[str], ticks: int, method: bool = False) -> str:
    fence = "`" * ticks
    body = prose(ast.get_docstring(node) or "", _arguments(node))
    if isinstance(node, ast.ClassDef):
        body += _fields(node, source)
        body += "".join("\n" + _item(child, source, ticks - 1, method=True) for child in _public(node))
        return f"{fence}{{py:class}} {node.name}{_initialiser(node)}\n\n{body}\n{fence}\n"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = ast.unparse(node.args)
    if method:
        arguments = re.sub(r"^(self|cls)(, )?", "", arguments)
    options = ":no-index:\n" if _is_overload(node) else ""
    directive = "py:method" if method else "py:function"
    return f"{fence}{{{directive}}} {node.name}({arguments}){returns}\n{options}\n{body}\n{fence}\n"


def _arguments(node: ast.FunctionDef | ast.ClassDef) -> Set[str]:
    if isinstance(node, ast.ClassDef):
        return {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
    return {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}


def _is_overload(node: ast.FunctionDef) -> bool:
    return any("overload" in ast.unparse(d) or ".setter" in ast.unparse(d) for d in node.decorator_list)


def _initialiser(node: ast.ClassDef) -> str:
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return f"({re.sub(r'^self(, )?', '', ast.unparse(child.args))})"
    return ""


def _fields(node: ast.ClassDef, source: list[str]) -> str:
    """Turn the fields of a dataclass and the comment beside each into a table."""
    fields = [f for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)]
    if not fields:
        return ""
    rows = ["", "| field | type | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        comment = source[field.end_lineno - 1][field.end_col_offset :].strip().removeprefix("#").strip()
        default = f"`{_cell(ast.unparse(field.value))}`" if field.value else ""
        rows.append(f"| `{field.target.id}` | `{_cell(ast.unparse(field.annotation))}` | {default} | {escape(comment)} |")
    return "\n".join(rows) + "\n"


def _cell(code: str) -> str:
    return code.replace("|", "\\|")


def prose(docstring: str, arguments: Set[str] = frozenset()) -> str:
    """Turn a docstring in the house style into Markdown: sections in bold, arguments as a list.

    Arguments that are explained without the word Args, as `name: text`, are recognised by their names.
    """
    return "\n".join(_paragraphs(docstring.splitlines(), arguments)) + "\n"


def _paragraphs(lines: list[str], arguments: Set[str]) -> Iterator[str]:
    section, bare = "", False
    for line in lines:
        names = line.split(":")[0].split(", ")
        if not section and ": " in line and set(names) <= arguments:
            yield (
                ("" if bare else "\n") + "- " + ", ".join(f"`{name}`" for name in names) + f": {escape(line.split(': ', 1)[1])}"
            )
            bare = True
            continue
        if bare and line.strip():
            ends = re.match(r"Returns|Raises|The |A |Differs", line)
            yield ("\n" if ends else "  ") + escape(line)
            bare = not ends
            continue
        bare = False
        start = re.match(rf"({'|'.join(SECTIONS)}):(?:\s+(.*))?$", line)
        if start:
            section = start[1]
            yield f"\n**{section}**" + (f"&ensp;{escape(start[2])}" if start[2] else "\n")
        elif section in ("Args", "Raises") and (entry := re.match(r"    (\S[^:]{0,60}):\s+(.*)$", line)):
            names = ", ".join(f"`{name.strip()}`" for name in entry[1].strip("`").split(","))
            yield f"- {names}: {escape(entry[2])}"
        elif section and line.startswith("    "):
            indent = "  " if section in ("Args", "Raises") and line.startswith("        ") else ""
            yield indent + escape(line.strip())
        else:
            section = section if not line.strip() else ""
            yield line if line.startswith("    ") else escape(line)


def escape(text: str) -> str:
    """Escape what Markdown would interpret, outside `code`."""
    parts = re.split(r"(``?[^`]+``?)", text)
    return "".join(part if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts)
