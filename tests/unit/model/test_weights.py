"""Checkpoints come back bit by bit, and every other file is refused with its reason."""

import json
import os
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model import weights
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.weights import CheckpointError, load, save


@pytest.fixture
def encoder() -> VideoEncoder:
    return VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0))


@pytest.fixture
def saved(encoder, tmp_path):
    return save(encoder, tmp_path / "sub" / "encoder.safetensors")


def rewrite(path, change=None, metadata=None) -> None:
    """Write the tensors of a checkpoint again, after a change."""
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    state = {key: value.clone() for key, value in load_file(path).items()}
    if change:
        change(state)
    save_file(state, path, facts if metadata is None else metadata)


@pytest.mark.parametrize("kind", ["encoder", "predictor"])
def test_round_trip(kind, encoder, tmp_path):
    predictor = MaskedPredictor(replace(PredictorConfig.tiny(), output_width=12), torch.Generator().manual_seed(1))
    model = encoder if kind == "encoder" else predictor
    back = load(save(model, tmp_path / "model.safetensors"))
    assert type(back) is type(model) and back.config == model.config and not back.training
    assert all(torch.equal(value, back.state_dict()[key]) for key, value in model.state_dict().items())
    assert all(p.requires_grad for p in back.parameters())


def test_loaded_network_computes_the_same(encoder, saved):
    video = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load(saved)(video), encoder.eval()(video))


def test_weights_are_mapped_and_not_copied(saved):
    model = load(saved)
    maps = open("/proc/self/maps").read() if os.path.exists("/proc/self/maps") else str(saved)
    assert str(saved) in maps, "the file is not mapped into memory"
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_other_networks_are_not_saved(tmp_path):
    class Bigger(VideoEncoder):
        """Look like an encoder to the checked signature, and be another network."""

    with pytest.raises(ValueError, match="VideoEncoder or MaskedPredictor, got Bigger"):
        save(Bigger(EncoderConfig.tiny()), tmp_path / "x")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.safetensors"):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError):
        load(tmp_path)  # a folder


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: b"hello", lambda data: b""])
def test_truncated_and_foreign_files(saved, spoil):
    saved.write_bytes(spoil(saved.read_bytes()))
    with pytest.raises(CheckpointError, match="encoder.safetensors"):
        load(saved)


def test_safetensors_of_somebody_else(saved):
    rewrite(saved, metadata={"made": "elsewhere"})
    with pytest.raises(CheckpointError, match="kind"):
        load(saved)


def test_missing_unexpected_and_misshapen_keys_are_listed(saved):
    def change(state):
        del state["blocks.0.attn.qkv.bias"]
        state["blocks.9.attn.qkv.bias"] = torch.zeros(3)
        state["norm.weight"] = torch.zeros(65)

    rewrite(saved, change)
    with pytest.raises(CheckpointError) as caught:
        load(saved)
    for words in (
        "missing: blocks.0.attn.qkv.bias",
        "unexpected: blocks.9.attn.qkv.bias",
        r"norm.weight (65,) instead of (64,)",
    ):
        assert words in str(caught.value)


def test_many_wrong_keys_are_counted(saved):
    rewrite(saved, lambda state: [state.pop(key) for key in list(state)[5:]])
    with pytest.raises(CheckpointError, match=r"and \d+ more"):
        load(saved)


def test_config_of_another_size(saved, encoder):
    config = json.dumps(asdict(replace(encoder.config, depth=4)))
    rewrite(saved, metadata={"kind": "encoder", "config": config})
    with pytest.raises(CheckpointError, match="another size"):
        load(saved)


@pytest.mark.parametrize("config", ["{}{", '{"width": 64, "colour": 3}', '{"width": 60, "depth": 1, "heads": 7}'])
def test_config_that_is_none(saved, config):
    rewrite(saved, metadata={"kind": "encoder", "config": config})
    with pytest.raises(CheckpointError, match="config"):
        load(saved)


def test_failing_save_leaves_the_old_file(saved, encoder, monkeypatch):
    before = saved.read_bytes()

    def half(state, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(weights, "save_file", half)
    with pytest.raises(OSError, match="no space"):
        save(encoder, saved)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == ["encoder.safetensors"]


def test_first_save_that_fails_leaves_nothing(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError):
        save(encoder, tmp_path / "encoder.safetensors")
    assert not list(tmp_path.iterdir())
