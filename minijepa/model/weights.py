"""Weights in and out of files: our own small checkpoints, memory-mapped and strict.

A checkpoint is one safetensors file; its metadata hold the kind of network and its config as JSON, so that
``load`` needs nothing but the path.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor

KINDS = {"encoder": (EncoderConfig, VideoEncoder), "predictor": (PredictorConfig, MaskedPredictor)}


class CheckpointError(ValueError):
    """Report a file that is not the checkpoint it should be: which file, what is wrong and the way out."""


def save(model: VideoEncoder | MaskedPredictor, path: str | Path) -> Path:
    """Write a network and its config to one safetensors file, beside the target first and then renamed.

    Returns the path. Raises ValueError for a network of another type.
    """
    kind = next((name for name, (_, network) in KINDS.items() if type(model) is network), None)
    if kind is None:
        expected = " or ".join(network.__name__ for _, network in KINDS.values())
        raise ValueError(f"save: expected a {expected}, got {type(model).__name__}; save its parts one by one")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    metadata = {"kind": kind, "config": json.dumps(asdict(model.config)), "format": "minijepa 1"}
    try:
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, beside, metadata)
        beside.chmod(0o644)  # safetensors makes its files for the owner alone
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> VideoEncoder | MaskedPredictor:
    """Open a checkpoint that ``save`` wrote, in evaluation mode, without a second copy of the weights.

    The network is built on the meta device and the memory-mapped tensors are assigned to it, so a large file
    opens at once and pages are read when they are used.
    Raises FileNotFoundError if there is no such file, CheckpointError if it is not one of ours or keys or shapes
    do not match.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load: expected a checkpoint file at {path}, found none; is the path right?")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - safe_open is no dict
    except SafetensorError as error:
        raise CheckpointError(f"{path}: expected a safetensors file, got {error}; copy or download it again") from error
    if metadata.get("kind") not in KINDS:
        raise CheckpointError(f"{path}: expected kind {sorted(KINDS)} in its metadata, got {metadata.get('kind')!r}")
    config_type, network = KINDS[metadata["kind"]]
    try:
        config = config_type(**json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: expected a {config_type.__name__} as JSON in its metadata, got {metadata.get('config')!r} ({error}); "
            "was it written by another version?"
        ) from error
    with torch.device("meta"):
        model = network(config)
    assign_strictly(model, state, str(path))
    return model.eval()


def assign_strictly(model: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Assign every tensor to the parameter of its name; raise CheckpointError that lists all that does not fit."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    if missing or unexpected or misshapen:
        raise CheckpointError(
            f"{source}: the weights do not fit the config. missing: {shorten(missing)}; unexpected: "
            f"{shorten(unexpected)}; wrong shape: {shorten(misshapen)}. Is it the config of another size?"
        )
    model.load_state_dict(state, assign=True)


def shorten(names: list[str], most: int = 4) -> str:
    """Join the first few names and count the rest."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "none"
