"""The house rules of minijepa, each a small function from a parsed file to the list of its breaches.

tests/unit/test_house.py applies them to the library, and applies each of them to a bad sample too. Counting, said once:

- *lines of a file*: all its lines, blank ones and docstrings included;
- *lines of a function*: from `def` to its last line, without its docstring;
- *lines of code*: lines that hold a token of code: no blank lines, no comments, no docstrings.
"""

import ast
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

FLOORS = {
    "config": 0,
    "intervals": 0,
    "files": 0,
    "hub": 1,
    "data": 1,
    "model": 2,
    "train": 3,
    "plan": 4,
    "judge": 4,
    "talk": 4,
    "study": 5,
    "show": 6,
    "check": 7,
}
UNWANTED_PACKAGES = {"robot", "minijepa_robot", "torchvision", "timm", "torchcodec", "lerobot", "wandb", "yaml"}
JUNK_DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common", "registry"}
GLOBAL_SEEDS = {"torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "torch.random.manual_seed"}
GLOBAL_SEEDS |= {"np.random.seed", "numpy.random.seed", "random.seed"}
NOT_VERBS = set(
    "a an the this that these it its one some class function method module helper see note todo simple new our my we you "
    "if when for in of".split()
)
NOUN_ENDINGS = ("tion", "sion", "ness", "ity", "ance", "ence", "ism")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """Hold one parsed file: its path inside the package, e.g. `model/rope.py`, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return Path(self.path).parts[0].removesuffix(".py")


def parse(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


def library(package: Path) -> list[Source]:
    return [parse(str(p.relative_to(package)), p.read_text()) for p in sorted(package.rglob("*.py"))]


def functions(source: Source) -> list[Function]:
    return [node for node in ast.walk(source.tree) if isinstance(node, Function)]


def imported_modules(source: Source) -> list[tuple[int, str]]:
    """List (line, absolute module name) of every import, also of those inside functions."""
    found = []
    package = ["minijepa", *Path(source.path).parts[:-1]]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "minijepa":  # `from minijepa import model` names the room after the import
                found += [(node.lineno, f"minijepa.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, module))
    return found


def imports_go_down(source: Source) -> list[str]:
    """Breaches of: a room imports itself and lower floors only. `minijepa/__init__.py` stands above all rooms."""
    if source.path == "__init__.py":
        return []
    breaches = []
    for line, module in imported_modules(source):
        parts = module.split(".")
        if parts[0] != "minijepa":
            continue
        room = parts[1] if len(parts) > 1 else "the package itself"
        if room != source.room and FLOORS.get(room, 99) >= FLOORS.get(source.room, -1):
            breaches.append(f"{source.path}:{line} in room {source.room} imports {module}, which is not on a lower floor")
    return breaches


def no_unwanted_package(source: Source) -> list[str]:
    found = [(line, name) for line, name in imported_modules(source) if name.split(".")[0] in UNWANTED_PACKAGES]
    return [f"{source.path}:{line} imports {name}" for line, name in found]


def no_junk_drawer(source: Source) -> list[str]:
    return [f"{source.path}: name the idea, not the drawer"] if Path(source.path).stem in JUNK_DRAWERS else []


def no_star_import(source: Source) -> list[str]:
    nodes = [node for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom)]
    return [f"{source.path}:{node.lineno} imports *" for node in nodes if any(a.name == "*" for a in node.names)]


def no_keyword_catchall(source: Source) -> list[str]:
    return [f"{source.path}:{f.lineno} {f.name} takes **{f.args.kwarg.arg}" for f in functions(source) if f.args.kwarg]


def calls(source: Source) -> list[tuple[int, str]]:
    return [(node.lineno, ast.unparse(node.func)) for node in ast.walk(source.tree) if isinstance(node, ast.Call)]


def no_print(source: Source) -> list[str]:
    return [f"{source.path}:{line} prints" for line, name in calls(source) if name == "print"]


def no_global_seed(source: Source) -> list[str]:
    return [
        f"{source.path}:{line} calls {name}: pass a torch.Generator" for line, name in calls(source) if name in GLOBAL_SEEDS
    ]


def no_import_time_effect(source: Source) -> list[str]:
    """Breaches of: importing a file defines names and does nothing else."""
    breaches = []
    for node in source.tree.body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Expr | ast.For | ast.While | ast.With | ast.Delete) and not is_docstring:
            breaches.append(f"{source.path}:{node.lineno} runs at import: {ast.unparse(node).splitlines()[0]}")
    return breaches


def file_length(source: Source, limit: int = 250) -> list[str]:
    count = len(source.text.splitlines())
    return [f"{source.path} has {count} lines, at most {limit}"] if count > limit else []


def docstring_lines(node: ast.AST) -> set[int]:
    first = node.body[0] if getattr(node, "body", None) else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return set(range(first.lineno, first.end_lineno + 1))
    return set()


def function_lines(function: Function) -> int:
    return function.end_lineno - function.lineno + 1 - len(docstring_lines(function))


def function_length(source: Source, limit: int = 40) -> list[str]:
    counts = [(f, function_lines(f)) for f in functions(source)]
    return [f"{source.path}:{f.lineno} {f.name} has {n} lines, at most {limit}" for f, n in counts if n > limit]


def constructor_fields(node: ast.ClassDef) -> int:
    """Count what one must know to build it: the fields of a dataclass, or the arguments of `__init__`."""
    counts = [0]
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        counts.append(sum(isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item) for item in node.body))
    for item in node.body:
        if isinstance(item, Function) and item.name == "__init__":
            counts.append(len(item.args.posonlyargs) + len(item.args.args) + len(item.args.kwonlyargs) - 1)
    return max(counts)


def constructor_size(source: Source, limit: int = 8) -> list[str]:
    classes = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    counts = [(node, constructor_fields(node)) for node in classes]
    return [f"{source.path}:{c.lineno} {c.name} has {n} fields, at most {limit}" for c, n in counts if n > limit]


def lines_of_code(source: Source) -> int:
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type not in silent:
            lines |= set(range(token.start[0], token.end[0] + 1))
    documented = [n for n in ast.walk(source.tree) if isinstance(n, ast.Module | ast.ClassDef | Function)]
    return len(lines - set().union(*map(docstring_lines, documented)))


def public_definitions(source: Source) -> list[tuple[str, ast.AST]]:
    """List the public functions, classes and methods; `forward` is told in the docstring of its class."""
    found = []
    for node in source.tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            found.append((node.name, node))
            if isinstance(node, ast.ClassDef):
                methods = [m for m in node.body if isinstance(m, Function)]
                hidden = [m for m in methods if m.name.startswith("_") or m.name == "forward"]
                found += [(f"{node.name}.{m.name}", m) for m in methods if m not in hidden]
    return found


def docstrings_begin_with_a_verb(source: Source) -> list[str]:
    """Breaches of: every public name has a docstring, and it does not begin with an article, a pronoun or a noun."""
    breaches = []
    for name, node in public_definitions(source):
        words = (ast.get_docstring(node) or "").split()
        if not words:
            breaches.append(f"{source.path}:{node.lineno} {name} has no docstring")
            continue
        first = words[0].rstrip(".,:;")
        verbish = first[:1].isupper() and first.replace("-", "").isalpha() and first.lower() not in NOT_VERBS
        if not verbish or first.lower().endswith(NOUN_ENDINGS) or first == name.split(".")[-1]:
            breaches.append(f"{source.path}:{node.lineno} {name}: the docstring begins with '{first}', not with a verb")
    return breaches


RULES = [
    imports_go_down,
    no_unwanted_package,
    no_junk_drawer,
    no_star_import,
    no_keyword_catchall,
    no_print,
    no_global_seed,
    no_import_time_effect,
    file_length,
    function_length,
    constructor_size,
    docstrings_begin_with_a_verb,
]
