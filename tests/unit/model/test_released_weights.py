"""Each released layout opens part by part; what a file can't tell has to be said."""

import os

import pytest
import torch

from minijepa.config import RELEASED, ActionPredictorConfig, EncoderConfig, PredictorConfig, ProbeConfig, find_released
from minijepa.hub import OFFICIAL
from minijepa.model import weights
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import CheckpointError, describe, load, save, save_for_transformers
from tests.unit.model import tiny_released as tiny

MADE = tiny.networks()
PROBE = ProbeConfig(32, 2, 3, 5)


@pytest.fixture
def folder(tmp_path):
    return tiny.folder_of(MADE, tmp_path / "model", probe=True)


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "mine.pt"
    path.write_bytes(tiny.pickled(tiny.original(MADE)))
    return path


@pytest.mark.parametrize("part, which", [(None, 0), ("encoder", 0), ("predictor", 1), ("probe", 2)])
def test_a_folder_of_transformers(folder, part, which):
    model = load(folder, part, config=PROBE if part == "probe" else None)
    assert type(model) is type(MADE[which]) and model.config == MADE[which].config and not model.training
    assert tiny.same_weights(model, MADE[which])


def test_an_original_file(original):
    assert tiny.same_weights(load(original, weights="online", config=tiny.ENCODER), MADE[0])
    assert tiny.same_weights(load(original, "predictor", config=tiny.PREDICTOR), MADE[1])
    ema, online = (load(original, weights=name, config=tiny.ENCODER) for name in ("ema", "online"))
    assert torch.equal(ema.norm.bias, online.norm.bias + 0.5)
    assert tiny.same_weights(load(original, config=tiny.ENCODER), ema)


def test_an_original_probe_file(tmp_path):
    probe = MADE[2]
    state = {f"module.{key}": value for key, value in probe.state_dict().items()}
    (tmp_path / "probe.pt").write_bytes(tiny.pickled({"classifiers": [state], "opt": [None], "epoch": 20}))
    assert tiny.same_weights(load(tmp_path / "probe.pt", "probe", config=probe.config), probe)
    three = AttentiveProbe(32, 16, 4, (3, 4, 6), torch.Generator().manual_seed(0))
    state = {f"module.{key}": value for key, value in three.state_dict().items()}
    (tmp_path / "ek100-vitl-256.pt").write_bytes(tiny.pickled({"classifiers": [state]}))  # by its released name
    back = load(tmp_path / "ek100-vitl-256.pt")
    assert back.config == ProbeConfig(32, 16, 4, (3, 4, 6)) and tiny.same_weights(back, three)


def test_an_original_action_file(tmp_path):
    predictor = ActionPredictor(ActionPredictorConfig(32, 24, 2, 2, rope="tiled"), torch.Generator().manual_seed(0))
    content = tiny.original(MADE)
    content["predictor"] = {f"module.{key}": value for key, value in predictor.state_dict().items()}
    (tmp_path / "mine.pt").write_bytes(tiny.pickled(content))
    assert tiny.same_weights(load(tmp_path / "mine.pt", "action_predictor", config=predictor.config), predictor)


@pytest.mark.parametrize("which", range(4))
def test_every_kind_of_network_comes_back_from_our_own_file(which, tmp_path):
    action = ActionPredictor(ActionPredictorConfig.tiny(), torch.Generator().manual_seed(0))
    network = (*MADE, action)[which]
    back = load(save(network, tmp_path / "own.safetensors"))
    assert back.config == network.config and tiny.same_weights(back, network)


def test_a_three_query_probe_comes_back_from_our_own_file(tmp_path):
    probe = AttentiveProbe(32, 2, 1, (3, 4, 6), torch.Generator().manual_seed(0))
    assert load(save(probe, tmp_path / "own.safetensors")).config == probe.config


def test_what_was_loaded_can_be_saved(folder, original, tmp_path):
    for network in (load(folder), load(folder, "predictor"), load(original, config=tiny.ENCODER)):
        assert tiny.same_weights(load(save(network, tmp_path / "own.safetensors")), network)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_half(folder, dtype, tmp_path):
    halved = save_for_transformers(tmp_path / "half", *(network.to(dtype) for network in tiny.networks()[:2]), crop=32)
    assert {p.dtype for p in load(halved).parameters()} == {dtype}


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
def test_released_files_are_mapped(folder, original):
    models = load(folder), load(original, config=tiny.ENCODER)
    maps = open("/proc/self/maps").read()
    assert str(folder / "model.safetensors") in maps and str(original) in maps and all(models)


def test_the_rotary_form_may_be_changed_by_name(folder):
    textbook = load(folder, config=EncoderConfig(32, 2, 2, rope="textbook"))
    video = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert (textbook(video) - load(folder)(video)).abs().max() > 1e-3


def test_probes_that_transformers_cannot_compute_are_not_written(tmp_path):
    for probe in (AttentiveProbe(32, 4, 3, 5), AttentiveProbe(32, 2, 3, (1, 2, 3))):
        with pytest.raises(ValueError, match="expected one query and 2 heads, as in the encoder, got .*; use save"):
            save_for_transformers(tmp_path / "x", *MADE[:2], probe)
    textbook = weights.VideoEncoder(EncoderConfig(32, 2, 2, rope="textbook"))
    with pytest.raises(ValueError, match="expected the tiled rotary positions"):
        save_for_transformers(tmp_path / "x", textbook, MADE[1])
    assert not (tmp_path / "x").exists()


def test_the_table_of_released_files():
    assert len(RELEASED) == 19
    assert find_released("facebook/vjepa2-vitg-fpc64-384").crop == 384
    for name in ("vitg.pt", OFFICIAL + "vitg.pt", "/downloads/vitg.pt"):
        assert find_released(name) is RELEASED["vitg.pt"]
    assert find_released(OFFICIAL + "evals/ek100-vitl-256.pt").parts == ("probe",)
    assert find_released("mine.pt") is None and find_released("someone/vitg") is None
    for name, released in RELEASED.items():
        sizes = {"vitl": EncoderConfig.vit_l(), "vith": EncoderConfig.vit_h(), "vitg": EncoderConfig.vit_g()}
        assert [config for size, config in sizes.items() if size in name] == [released.encoder]
        assert (released.weights == "ema") == (name in ("vitl.pt", "vith.pt", "vitg.pt", "vitg-384.pt"))
        assert (released.weights is None) == name.startswith("evals/")


def test_info_tells_what_is_inside(folder, original, tmp_path):
    text = describe(str(folder))
    count = sum(p.numel() for p in MADE[0].parameters())
    assert "transformers layout" in text and f"{count:,}" in text
    assert {line.split()[0] for line in text.splitlines()[2:]} == {"classifier", "encoder", "pooler", "predictor"}
    assert {line.split()[0] for line in describe(str(original)).splitlines()[2:]} == {"encoder", "target_encoder", "predictor"}
    own = describe(str(save(MADE[1], tmp_path / "own.safetensors")))
    assert own.splitlines()[2].split()[:2] == ["predictor", str(len(MADE[1].state_dict()))]


def test_the_command_info(folder, capsys, monkeypatch):
    weights.main(["info", str(folder)])
    assert capsys.readouterr().out == describe(str(folder)) + "\n"
    with pytest.raises(SystemExit, match="error: load: expected a checkpoint file at nothing.pt"):
        weights.main(["info", "nothing.pt"])


def test_predictor_sizes_of_a_trainer_of_ones_own(tmp_path):
    """A file of the official trainer with another number of mask tokens loads with its config, and not without."""
    content = tiny.original(MADE)
    (tmp_path / "vitl.pt").write_bytes(tiny.pickled(content))
    with pytest.raises(CheckpointError, match="missing: mask_tokens.3, .*wrong shape"):
        load(tmp_path / "vitl.pt", "predictor")
    config = PredictorConfig(32, 24, 2, 2, mask_tokens=3)
    assert load(tmp_path / "vitl.pt", "predictor", config=config).config == config
