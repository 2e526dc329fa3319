"""Every damaged checkpoint is refused with what was expected, what came, and the way out; nothing crashes or stays behind."""

import json
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from minijepa.config import EncoderConfig, PredictorConfig, ProbeConfig
from minijepa.model.weights import CheckpointError, load
from tests.unit.model import tiny_released as tiny

MADE = tiny.networks()


class Code:
    """Ask whoever unpickles this to make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def change_tensors(folder, change, name="model.safetensors") -> None:
    state = {key: value.clone() for key, value in load_file(folder / name).items()}
    change(state)
    save_file(state, folder / name, {"format": "pt"})


def truncate(path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def shard(folder, names=("model-1.safetensors", "model-2.safetensors")) -> dict[str, str]:
    """Cut the weights into two shards; return the index, which is not written yet."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    halves = list(state)[::2], list(state)[1::2]
    for name, keys in zip(names, halves):
        save_file({key: state[key] for key in keys}, folder / name)
    return {key: name for name, keys in zip(names, halves) for key in keys}


def write_index(folder, weight_map) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def lost_shard(folder):
    write_index(folder, shard(folder))
    (folder / "model-2.safetensors").unlink()


def index_out_of_the_folder(folder):
    weight_map = shard(folder)
    (folder / "model-2.safetensors").rename(folder.parent / "elsewhere.safetensors")
    write_index(folder, {key: name.replace("model-2", "../elsewhere") for key, name in weight_map.items()})


def index_of_another_model(folder):
    write_index(folder, shard(folder) | {"encoder.layer.7.norm1.bias": "model-1.safetensors"})


def index_that_is_none(folder):
    shard(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": ["a"]}')


def swap(old, new):
    def change(state):
        state[new] = state.pop(old)

    return change


FOLDERS = {  # what is done to a good folder of transformers, and what must be said
    "weights cut off": (lambda f: truncate(f / "model.safetensors"), "expected a safetensors file, got .* download it again"),
    "weights of text": (lambda f: (f / "model.safetensors").write_text("<html>404</html>"), "expected a safetensors file"),
    "weights empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "expected a safetensors file"),
    "header cut off": (lambda f: truncate(f / "model.safetensors", 0.001), "expected a safetensors file"),
    "header of a huge length": (
        lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
        "expected a safetensors file",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"index\.json: expected a JSON object, got .*download it"),
    "config of text": (lambda f: (f / "config.json").write_text("hello"), r"config\.json: expected a JSON object"),
    "config of bytes": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), r"config\.json: expected a JSON object"),
    "config a list": (lambda f: (f / "config.json").write_text("[1]"), r"config\.json: expected a JSON object"),
    "config empty": (lambda f: (f / "config.json").write_text(""), r"config\.json: expected a JSON object"),
    "another architecture": (
        lambda f: tiny.rewrite_config(f, model_type="vit", hidden_act="relu"),
        "got {'model_type': 'vit', 'hidden_act': 'relu'}; it is another network",
    ),
    "a size of words": (lambda f: tiny.rewrite_config(f, hidden_size="big"), "expected the sizes of a VJEPA2Config"),
    "heads that do not divide": (lambda f: tiny.rewrite_config(f, num_attention_heads=5), "multiple of heads"),
    "depth of another": (lambda f: tiny.rewrite_config(f, num_hidden_layers=3), r"missing: blocks\.2\.attn.*another size"),
    "depth of a billion": (lambda f: tiny.rewrite_config(f, num_hidden_layers=10**9), "expected 1000000000 blocks or"),
    "mask tokens of a billion": (
        lambda f: tiny.rewrite_config(f, pred_num_mask_tokens=10**9),
        "expected 1000000000 blocks or mask tokens",
    ),
    "width of another": (lambda f: tiny.rewrite_config(f, hidden_size=64), r"wrong shape: .* instead of \(64,\)"),
    "a lost tensor": (
        lambda f: change_tensors(f, lambda s: s.pop("encoder.layernorm.weight")),
        r"missing: norm\.weight; unexpected: none",
    ),
    "a lost query": (
        lambda f: change_tensors(f, lambda s: s.pop("encoder.layer.0.attention.query.weight")),
        r"missing: blocks\.0\.attn\.qkv\.weight; unexpected: blocks\.0\.attention\.key\.weight, ",
    ),
    "a renamed tensor": (
        lambda f: change_tensors(f, swap("encoder.layernorm.bias", "encoder.final.bias")),
        r"missing: norm\.bias; unexpected: encoder\.final\.bias",
    ),
    "a misshapen tensor": (
        lambda f: change_tensors(f, lambda s: s.update({"encoder.layernorm.bias": torch.zeros(31)})),
        r"wrong shape: norm\.bias \(31,\) instead of \(32,\)",
    ),
    "whole numbers": (
        lambda f: change_tensors(f, lambda s: s.update({k: v.to(torch.int8) for k, v in s.items()})),
        "expected one of float32, bfloat16, float16 throughout, got {'int8'}",
    ),
    "mixed precisions": (
        lambda f: change_tensors(f, lambda s: s.update({"encoder.layernorm.bias": torch.zeros(32).half()})),
        "throughout, got .*float16",
    ),
    "V-JEPA 2.1": (
        lambda f: change_tensors(f, swap("encoder.layernorm.bias", "encoder.norms_block.0.bias")),
        r"V-JEPA 2\.1\? minijepa does not read it",
    ),
    "a lost shard": (lost_shard, r"expected a file 'model-2\.safetensors' beside .*found none"),
    "a shard elsewhere": (index_out_of_the_folder, r"expected a file '\.\./elsewhere\.safetensors' beside"),
    "an index of another model": (index_of_another_model, r"got a difference in encoder\.layer\.7\.norm1\.bias"),
    "an index that is none": (index_that_is_none, r"index\.json: expected a JSON object"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_damaged_folders(name, tmp_path):
    damage, words = FOLDERS[name]
    folder = tiny.folder_of(MADE, tmp_path / "model")
    damage(folder)
    part = "predictor" if "mask" in name else "encoder"
    with pytest.raises(CheckpointError, match=words) as caught:
        load(folder, part)
    assert str(folder) in str(caught.value)


def code_inside(path):
    path.write_bytes(tiny.pickled({"encoder": tiny.original(MADE)["encoder"], "opt": Code(path.parent / "was_run")}))


def plain_code(path):
    path.write_bytes(pickle.dumps(Code(path.parent / "was_run")))


def zip_of_pictures(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("picture.png", b"\x89PNG")


def wrong_record(path):
    """Shorten the stored numbers of one tensor, so that the pickle promises more than there is."""
    whole = path.with_suffix(".whole")
    path.rename(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        largest = max(old.infolist(), key=lambda record: record.file_size).filename
        for record in old.infolist():
            content = old.read(record)
            new.writestr(record.filename, content[:16] if record.filename == largest else content)
    whole.unlink()


ORIGINALS = {
    "cut off": (truncate, r"expected a whole \.pt file .* download it again"),
    "empty": (lambda p: p.write_bytes(b""), r"expected a whole \.pt file"),
    "text": (lambda p: p.write_text("404: not found"), r"expected a whole \.pt file"),
    "an archive of something else": (zip_of_pictures, r"expected a whole \.pt file"),
    "a pickle with code": (code_inside, "a pickle that asks to run code, which was not run"),
    "a bare pickle with code": (plain_code, "a pickle that asks to run code|another or a broken one"),
    "a list": (lambda p: p.write_bytes(tiny.pickled([1, 2])), r"expected a whole \.pt file of tensors in dicts"),
    "no encoder": (
        lambda p: p.write_bytes(tiny.pickled({"epoch": 1, "weights": {"a": torch.ones(1)}})),
        "got a checkpoint of weights",
    ),
    "nothing": (lambda p: p.write_bytes(tiny.pickled({"epoch": 1})), "expected the encoder, got a checkpoint of none"),
    "a bare state dict": (lambda p: p.write_bytes(tiny.pickled(MADE[0].state_dict())), "got a checkpoint of none"),
    "a record that is too short": (wrong_record, "expected"),
    "EMA alone asked, online alone there": (
        lambda p: p.write_bytes(tiny.pickled({"encoder": tiny.original(MADE)["encoder"]})),
        "expected the encoder, got a checkpoint of encoder",
    ),
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_damaged_original_files(name, tmp_path):
    damage, words = ORIGINALS[name]
    path = tmp_path / "mine.pt"
    path.write_bytes(tiny.pickled(tiny.original(MADE)))
    damage(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        load(path, config=tiny.ENCODER)
    assert "mine.pt" in str(caught.value) and os.listdir(tmp_path) == ["mine.pt"], "code was run, or a file was left"


def test_an_old_format_of_torch_says_so(tmp_path):
    torch.save(tiny.original(MADE), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match="old.pt: expected a whole .pt file"):
        load(tmp_path / "old.pt", config=tiny.ENCODER)


def test_folders_without_config(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="found a folder without config.json; is the path right"):
        load(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="found none; is the path right"):
        load(tmp_path / "nothing.pt")


@pytest.mark.parametrize(
    "part, which, words",
    [
        ("probe", None, "expected the probe, got a checkpoint of encoder, predictor; choose among them"),
        ("action_predictor", None, "expected the action_predictor, got a checkpoint of encoder, predictor"),
        ("encoder", "ema", "expected the ema encoder, got a checkpoint of encoder, predictor"),
    ],
)
def test_parts_that_are_not_there(part, which, words, tmp_path):
    with pytest.raises(CheckpointError, match=words):
        load(tiny.folder_of(MADE, tmp_path / "model"), part, which)


def test_several_probes_in_one_file(tmp_path):
    state = MADE[2].state_dict()
    (tmp_path / "latest.pt").write_bytes(tiny.pickled({"classifiers": [state, state]}))
    with pytest.raises(CheckpointError, match=r"expected the probe, got .*classifiers\.0 of 2, classifiers\.1 of 2"):
        load(tmp_path / "latest.pt", "probe", config=MADE[2].config)


def test_our_own_file_takes_no_choice(tmp_path):
    from minijepa.model.weights import save

    path = save(MADE[0], tmp_path / "own.safetensors")
    for choice in ({"part": "predictor"}, {"weights": "ema"}, {"config": tiny.ENCODER}):
        with pytest.raises(CheckpointError, match="holds one network with its config: load its path alone"):
            load(path, **choice)


def test_heads_that_no_shape_reveals(tmp_path):
    """Sizes of ViT-g with 16 heads: refused from config.json, and from an original file of unknown name."""
    folder = tiny.folder_of(MADE, tmp_path / "model")
    sizes = {"hidden_size": 1408, "num_hidden_layers": 40, "mlp_ratio": 48 / 11}
    tiny.rewrite_config(folder, num_attention_heads=16, **sizes)
    with pytest.raises(CheckpointError, match="expected 22 heads, as all released weights of this size have, got 16"):
        load(folder)
    tiny.rewrite_config(folder, num_attention_heads=22, patch_size=16)
    with pytest.raises(CheckpointError, match="expected 40 blocks|wrong shape"):  # the heads are right, the weights tiny
        load(folder)
    path = tmp_path / "unknown.pt"
    path.write_bytes(tiny.pickled(tiny.original(MADE)))
    with pytest.raises(CheckpointError, match=r"no shape tells them. Pass config=EncoderConfig\(...\).* 22 in ViT-g"):
        load(path)


def test_heads_of_an_unknown_probe(tmp_path):
    """In a folder that is not released, a probe may have the encoder's heads or the released 16: say which."""
    folder = tiny.folder_of(MADE, tmp_path / "model", probe=True)
    with pytest.raises(CheckpointError, match=r"Pass config=ProbeConfig\(...\)"):
        load(folder, "probe")
    assert load(folder, "probe", config=ProbeConfig(32, 2, 3, 5)).config.heads == 2


def test_a_config_of_another_part(tmp_path):
    folder = tiny.folder_of(MADE, tmp_path / "model")
    with pytest.raises(ValueError, match="expected EncoderConfig for part='encoder', got PredictorConfig"):
        load(folder, "encoder", config=PredictorConfig.tiny())


def test_a_released_name_on_other_weights(tmp_path):
    path = tmp_path / "vitl.pt"
    path.write_bytes(tiny.pickled(tiny.original(MADE)))
    with pytest.raises(CheckpointError, match=r"missing: blocks\.10\..*wrong shape: .*another size"):
        load(path)
    assert load(path, config=EncoderConfig(32, 2, 2)).config.width == 32


def test_a_probe_file_without_its_queries(tmp_path):
    state = {key: value for key, value in MADE[2].state_dict().items() if "query" not in key}
    (tmp_path / "ssv2-vitl-16x2x3.pt").write_bytes(tiny.pickled({"classifiers": [state]}))
    with pytest.raises(CheckpointError, match="expected a probe with queries and a classifier"):
        load(tmp_path / "ssv2-vitl-16x2x3.pt")
