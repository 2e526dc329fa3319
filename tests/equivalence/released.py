"""Write a model with random weights as Meta released it, in both layouts, with what transformers computes from it.

Nothing here uses the library's own renaming: transformers writes its folder, and the names of the original files are written
down a second time (official.py), from the reference.
"""

import gc
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from transformers import VJEPA2ForVideoClassification

from minijepa import load
from minijepa.config import EncoderConfig, PredictorConfig
from tests.equivalence.official import Tensors, our_encoder_weights, our_predictor_weights, randomise, transformers_config

CLOSE = {"atol": 1e-5, "rtol": 0.0}
CROP, FRAMES = 256, 4
ONLINE_SHIFT = 0.01  # what the online encoder's final bias has more than the EMA's, so that a mix-up shows


@dataclass(frozen=True)
class Written:
    """Hold where the files are and what transformers made of a clip."""

    folder: Path  # of transformers
    model: Path  # original pretraining file
    probe: Path  # original probe file
    video: Tensor  # (1, 3, f, H, W)
    context: Tensor  # ids
    targets: Tensor
    expected: dict[str, Tensor]  # encoder, predictor, probe

    def delete(self) -> None:
        """Take the large files away."""
        for path in (self.model, self.probe, *self.folder.iterdir()):
            path.unlink()


def clip(crop: int, frames: int = FRAMES) -> Tensor:
    return torch.randn(1, 3, frames, crop, crop, generator=torch.Generator().manual_seed(6))


def released_pooler(model: VJEPA2ForVideoClassification, heads: int = 16) -> None:
    """Give transformers' pooler the eps and heads of the released probes, where it takes those of the encoder."""
    for module in model.pooler.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5
        if hasattr(module, "num_heads"):
            module.num_heads, module.head_dim = heads, module.embed_dim // heads
            module.scale = module.head_dim**-0.5


def original_probe_weights(theirs: Tensors) -> Tensors:
    """Rename pooler and classifier for the original probe file."""
    found: Tensors = {}
    for key, value in theirs.items():
        for their, our in (
            ("self_attention_layers", "blocks"),
            ("cross_attention_layer", "cross_attention_block"),
            ("layer_norm", "norm"),
            ("self_attn.out_proj", "attn.proj"),
            ("cross_attn.q_proj", "xattn.q"),
            ("classifier", "linear"),
        ):
            key = key.replace(their, our)
        if key.startswith(("pooler.", "linear.")):
            found[key] = value
    for block in sorted({key.split(".self_attn.")[0] for key in found if ".self_attn." in key}):
        for kind in ("weight", "bias"):
            rows = [found.pop(f"{block}.self_attn.{letter}_proj.{kind}") for letter in "qkv"]
            found[f"{block}.attn.qkv.{kind}"] = torch.cat(rows)
    for kind in ("weight", "bias"):
        rows = [found.pop(f"pooler.cross_attention_block.cross_attn.{letter}_proj.{kind}") for letter in "kv"]
        found[f"pooler.cross_attention_block.xattn.kv.{kind}"] = torch.cat(rows)
    return found


def original_files(theirs: Tensors, folder: Path, model: str, probe: str) -> None:
    """Write the original pretraining file and the probe file, with the prefixes and leftovers of the official trainers."""
    inner = {key.removeprefix("vjepa2."): value for key, value in theirs.items() if key.startswith("vjepa2.")}
    ema = our_encoder_weights(inner)
    online = ema | {"norm.bias": ema["norm.bias"] + ONLINE_SHIFT}
    table = {"pos_embed": torch.zeros(1, 8, 4)}  # stale, to be dropped
    states = {"encoder": online | table, "target_encoder": ema | table, "predictor": our_predictor_weights(inner)}
    content = {name: {f"module.backbone.{key}": value for key, value in state.items()} for name, state in states.items()}
    facts = {"opt": None, "scaler": None, "epoch": 40, "loss": 0.5, "batch_size": 24, "world_size": 128, "lr": 1e-4}
    torch.save(content | facts, folder / model)
    del content, states, ema, online
    state = {f"module.{key}": value for key, value in original_probe_weights(theirs).items()}
    torch.save({"classifiers": [state], "opt": [None], "scaler": [None], "epoch": 20}, folder / probe)


@torch.no_grad()
def write(folder: Path, config: EncoderConfig, model: str, probe: str, classes: int = 174, crop: int = CROP) -> Written:
    """Build transformers' classifier of this size with random weights, write all three files, and keep its answers."""
    sizes = transformers_config(config, PredictorConfig.released(config), crop)
    sizes.num_labels = classes
    with torch.device("meta"):
        theirs = VJEPA2ForVideoClassification(sizes).eval()
    randomise(theirs.to_empty(device="cpu"), seed=5)
    released_pooler(theirs)
    theirs.save_pretrained(folder / "transformers")
    original_files(theirs.state_dict(), folder, model, probe)
    video = clip(crop)
    tokens = FRAMES // 2 * (crop // config.patch) ** 2
    order = torch.randperm(tokens, generator=torch.Generator().manual_seed(7))[None]
    context, targets = order[:, : tokens // 4], order[:, tokens // 4 : tokens // 2]
    output = theirs.vjepa2(video.transpose(1, 2), context_mask=[context], target_mask=[targets])
    expected = {
        "encoder": output.last_hidden_state,
        "predictor": output.predictor_output.last_hidden_state,
        "probe": theirs.classifier(theirs.pooler(output.last_hidden_state)),
    }
    del theirs, output
    gc.collect()
    return Written(folder / "transformers", folder / model, folder / probe, video, context, targets, expected)


def load_parts(written: Written, layout: str, with_probe: bool = True) -> list[nn.Module]:
    """Load encoder, predictor and probe from one of the layouts."""
    if layout == "original":
        return [load(written.model), load(written.model, "predictor"), *([load(written.probe)] if with_probe else [])]
    # a folder without a released name does not say whether a probe has the released 16 heads or the encoder's: here 16
    sizes = load(written.probe).config if with_probe else None
    return [load(written.folder), load(written.folder, "predictor")] + (
        [load(written.folder, "probe", config=sizes)] if with_probe else []
    )


@torch.no_grad()
def compare(written: Written, parts: list[nn.Module]) -> dict[str, float]:
    """Hold our three networks to transformers' answers; return the largest difference of each."""
    encoder, predictor, *probes = parts
    tokens = encoder(written.video)
    grid = encoder.grid(written.video)
    seen = tokens.gather(1, written.context[..., None].expand(-1, -1, tokens.shape[-1]))
    found = {
        "encoder": tokens,
        "predictor": predictor(seen, written.context, written.targets, grid, mask_token=1),
    }
    if probes:
        found["probe"] = probes[0](tokens)
    for name, value in found.items():
        assert written.expected[name].std() > 0.05, f"{name}: the random weights answer nothing"
        assert_close(value, written.expected[name], **CLOSE)
    return {name: (value - written.expected[name]).abs().max().item() for name, value in found.items()}


@torch.no_grad()
def compare_folder(written: Written, folder: Path) -> None:
    """Hold transformers on a folder that we wrote to its answers on its own."""
    theirs, loading = VJEPA2ForVideoClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(loading.values()), loading
    released_pooler(theirs.eval())
    video = written.video.transpose(1, 2)
    output = theirs.vjepa2(video, context_mask=[written.context], target_mask=[written.targets])
    assert torch.equal(output.last_hidden_state, written.expected["encoder"])
    assert torch.equal(output.predictor_output.last_hidden_state, written.expected["predictor"])
    assert torch.equal(theirs.classifier(theirs.pooler(output.last_hidden_state)), written.expected["probe"])
