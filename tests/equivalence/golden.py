"""The stored outputs of the official code, and the rule that makes the weights behind them."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

ARRAYS = np.load(Path(__file__).parent / "golden" / "vjepa2_outputs.npz")
META = json.loads(bytes(ARRAYS["meta"]))


def case(name: str) -> dict:
    """Return the sizes of one case."""
    return next(c for c in META["cases"] if c["name"] == name)


def output(key: str) -> Tensor:
    """Return a stored array."""
    return torch.from_numpy(ARRAYS[key])


def data(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Return the input that the official code was given."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))


def fill(module: nn.Module, case_name: str) -> None:
    """Fill every parameter by the rule, from its official name; a wrong name gives wrong weights."""
    for key, parameter in module.named_parameters():
        rng = np.random.default_rng(zlib.crc32(f"{META['salt']}{case_name}/{key}".encode()))
        weight = rng.standard_normal(tuple(parameter.shape)).astype(np.float32)
        if parameter.ndim == 1:
            weight = 1 + 0.1 * weight if "norm" in key and key.endswith("weight") else 0.1 * weight
        elif "mask_token" in key or "query" in key:
            weight = 0.5 * weight
        else:
            weight = 1.2 * weight / math.sqrt(math.prod(parameter.shape[1:]))
        parameter.data.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
