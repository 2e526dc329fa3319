"""Floor 6, one grader a chapter: ``from minijepa import check``, then ``check.ch04.name(fn)``."""

import importlib
import re
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    """Import ``check.chNN`` when it is first asked for."""
    if re.fullmatch(r"ch\d\d", name):
        try:
            return importlib.import_module(f"minijepa.check.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"there is no check for chapter {name[2:]}") from error
    raise AttributeError(f"minijepa.check has no {name!r}; expected ch00, ch01, ...")
