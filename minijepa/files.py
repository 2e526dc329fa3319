"""Write a file so that nobody ever sees a part of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside the wanted one to write to, and rename it at the end.

    Readers see the old file or the new one. After an error the old one is still there and what was written is gone; a
    kill leaves it under its other name, ``.NAME.PID.part``. The folder is made if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
