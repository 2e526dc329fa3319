"""Tiny networks in the released layouts, written in milliseconds."""

import io
import json
from pathlib import Path

import torch
from torch import Tensor

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import save_for_transformers

ENCODER = EncoderConfig(32, 2, 2)
PREDICTOR = PredictorConfig(32, 24, 2, 2, mask_tokens=3)
Networks = tuple[VideoEncoder, MaskedPredictor, AttentiveProbe]


def networks(seed: int = 0) -> Networks:
    """Build encoder, predictor and a probe of two heads with random weights, none of which is zero."""
    generator = torch.Generator().manual_seed(seed)
    made = VideoEncoder(ENCODER), MaskedPredictor(PREDICTOR), AttentiveProbe(32, 2, 3, 5)
    with torch.no_grad():
        for network in made:
            for parameter in network.parameters():
                parameter.normal_(0, 0.2, generator=generator)
    return tuple(network.eval() for network in made)


def folder_of(made: Networks, path: Path, probe: bool = False) -> Path:
    """Write a folder of transformers."""
    return save_for_transformers(path, *made[: 3 if probe else 2], crop=32)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def original(made: Networks, shift: float = 0.5) -> dict[str, dict[str, Tensor] | int | None]:
    """Make the content of an original pretraining file, whose EMA has ``shift`` on its last bias."""
    encoder, predictor, _ = (network.state_dict() for network in made)
    states = {"encoder": encoder, "target_encoder": encoder | {"norm.bias": encoder["norm.bias"] + shift}}
    content = {name: {f"module.backbone.{k}": v for k, v in state.items()} for name, state in states.items()}
    content["encoder"]["module.backbone.pos_embed"] = torch.zeros(1, 4, 32)
    content["predictor"] = {f"module.backbone.{k}": v for k, v in predictor.items()}
    content["predictor"]["module.backbone.predictor_pos_embed"] = torch.zeros(1, 4, 24)
    return content | {"opt": None, "scaler": None, "epoch": 3}


def pickled(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def rewrite_config(folder: Path, **changes: object) -> None:
    """Change config.json; None takes a field out."""
    facts = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items()) and len(theirs) > 0
