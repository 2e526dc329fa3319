"""Open weight files of any kind without reading their tensors, and without trusting them.

A safetensors file is a header and raw numbers. A ``.pt`` file is a zip with a pickle in it, and a pickle may carry code: only
tensors and plain containers are taken out of it. Both are mapped into memory, so pages are read when they are used.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from minijepa.hub import INDEX, WEIGHTS

State = dict[str, Tensor]


class CheckpointError(ValueError):
    """Report a file that is not the checkpoint it should be: which file, what is wrong and the way out."""


class Opened(NamedTuple):
    """Hold what a file or folder contains: mapped tensors by group, and facts as text."""

    source: str  # for messages
    kind: str  # "own", "transformers" or "official"
    groups: dict[str, State]  # an original file has encoder, target_encoder, …; the others have one, named as its kind
    facts: dict[str, Any]  # metadata of our own file, or config.json of transformers


def open_path(path: Path) -> Opened:
    """Open a checkpoint file, or a folder with config.json and weights as transformers writes it.

    Raises FileNotFoundError if nothing is there, CheckpointError if it is no checkpoint.
    """
    if path.is_dir() and (path / "config.json").is_file():
        return Opened(str(path), "transformers", {"transformers": read_folder(path)}, read_json(path / "config.json"))
    if not path.is_file():
        found = "a folder without config.json" if path.is_dir() else "none"
        raise FileNotFoundError(f"load: expected a checkpoint file at {path}, found {found}; is the path right?")
    if path.suffix in (".pt", ".pth", ".tar"):
        return Opened(str(path), "official", read_pickle(path), {})
    state, metadata = read_safetensors(path)
    return Opened(str(path), "own", {"own": state}, metadata)


def read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    """Map the tensors of a safetensors file; return them and the metadata."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: expected a safetensors file, got {error}; copy or download it again") from error


def read_pickle(path: Path) -> dict[str, State]:
    """Map the tensors of a ``.pt`` file of the official trainers; return its state dicts by name.

    A probe file keeps them in a list; the one of a released file becomes the group "classifiers.0".
    """
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        heads = content.pop("classifiers", [])
    except Exception as error:  # a damaged pickle may fail in any way
        code = "unsupported global" in str(error).lower()
        got = (
            "a pickle that asks to run code, which was not run" if code else f"another or a broken one ({str(error)[:60]!r} …)"
        )
        raise CheckpointError(f"{path}: expected a whole .pt file of tensors in dicts, got {got}; download it again") from error
    content |= {f"classifiers.{i}" + f" of {len(heads)}" * (len(heads) > 1): head for i, head in enumerate(heads)}
    dicts = {name: group for name, group in content.items() if isinstance(group, dict) and group}
    return {name: group for name, group in dicts.items() if all(isinstance(value, Tensor) for value in group.values())}


def read_folder(folder: Path) -> State:
    """Map the tensors of a folder, from one file or from the shards that its index names."""
    if (folder / WEIGHTS).is_file():
        return read_safetensors(folder / WEIGHTS)[0]
    shards, state = read_json(folder / INDEX, "weight_map"), {}
    for shard in sorted({str(name) for name in shards.values()}):
        if Path(shard).name != shard or not (folder / shard).is_file():  # an index must not lead out of its folder
            raise CheckpointError(f"{folder}: expected a file {shard!r} beside {INDEX}, found none; download it too")
        state |= read_safetensors(folder / shard)[0]
    if state.keys() != shards.keys():
        odd = shorten(sorted(state.keys() ^ shards.keys()))
        raise CheckpointError(
            f"{folder}: expected the tensors that {INDEX} names, got a difference in {odd}; download it again"
        )
    return state


def read_json(path: Path, key: str | None = None) -> dict[str, Any]:
    """Read a JSON object, or the object under this key of it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict((content[key] if key else content).items())
    except (ValueError, OSError, AttributeError, LookupError, TypeError) as error:
        raise CheckpointError(f"{path}: expected a JSON object, got {error!r}; download it again") from error


def shorten(names: list[str], most: int = 4) -> str:
    """Join the first few names and count the rest."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "none"
