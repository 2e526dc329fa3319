"""Weights in and out of files: Meta's released models and our own checkpoints, memory-mapped and strict.

``load`` opens a released repository or file by name, a folder of transformers, an original ``.pt`` file, or a checkpoint of
our own: one safetensors file whose metadata hold the kind of network and its config as JSON, so that its path is enough.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

from minijepa.config import Part, Weights, find_released
from minijepa.files import replacing
from minijepa.hub import fetch
from minijepa.model import layouts
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.checkpoint_files import WEIGHTS, CheckpointError, Opened, State, open_path, shorten
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.sizes import CONFIGS, Config, own_config, released_config

Network = VideoEncoder | MaskedPredictor | ActionPredictor | AttentiveProbe
NETWORKS = dict(zip(CONFIGS, (ActionPredictor, AttentiveProbe, VideoEncoder, MaskedPredictor), strict=True))


def save(model: Network, path: str | Path) -> Path:
    """Write a network and its config to one safetensors file, beside the target first and then renamed.

    Returns the path. Raises ValueError for a network of another type.
    """
    kind = next((name for name, network in NETWORKS.items() if type(model) is network), None)
    if kind is None:
        expected = " or ".join(network.__name__ for network in NETWORKS.values())
        raise ValueError(f"save: expected a {expected}, got {type(model).__name__}; save its parts one by one")
    metadata = {"kind": kind, "config": json.dumps(asdict(model.config)), "format": "minijepa 1"}
    return write(model.state_dict(), Path(path), metadata)


def save_for_transformers(
    folder: str | Path, encoder: VideoEncoder, predictor: MaskedPredictor, probe: AttentiveProbe | None = None, crop: int = 256
) -> Path:
    """Write a folder that ``transformers.VJEPA2Model`` opens, or with a probe ``VJEPA2ForVideoClassification``.

    crop: pixels, from which transformers takes the patch grid, whatever clip it is given.
    Returns the folder. Raises ValueError for what transformers can't compute: textbook positions, a probe with other
    heads than the encoder or with three queries.

    Differs: transformers computes a probe's norms with eps 1e-6 instead of 1e-5.
    """
    facts = layouts.sizes_to_transformers(encoder.config, predictor.config) | {"crop_size": crop}
    state = layouts.to_transformers(encoder.state_dict(), "encoder")
    state |= layouts.to_transformers(predictor.state_dict(), "predictor")
    if probe is not None:
        heads, count = encoder.config.heads, probe.config.classes
        if probe.config.heads != heads or not isinstance(count, int):
            raise ValueError(f"probe: expected one query and {heads} heads, as in the encoder, got {probe.config}; use save")
        facts |= {"num_pooler_layers": probe.config.depth - 1, "id2label": {str(i): f"LABEL_{i}" for i in range(count)}}
        state = {f"vjepa2.{key}": value for key, value in state.items()} | layouts.to_transformers(probe.state_dict(), "probe")
    path = write(state, Path(folder) / WEIGHTS, {"format": "pt"})
    with replacing(path.with_name("config.json")) as beside:
        beside.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return path.parent


def write(state: State, path: Path, metadata: dict[str, str]) -> Path:
    """Write tensors to a safetensors file, beside its place first and then renamed; return the path."""
    with replacing(path) as beside:
        save_file({key: value.contiguous() for key, value in state.items()}, beside, metadata)
        beside.chmod(0o644)  # safetensors makes its files for the owner alone
    return path


def load(
    name: str | Path,
    part: Part | None = None,
    weights: Weights | None = None,
    revision: str | None = None,
    offline: bool = False,
    token: str | None = None,
    config: Config | None = None,
) -> Network:
    """Open one network of a checkpoint, in evaluation mode, without a second copy of the weights.

    It is built on the meta device and the memory-mapped tensors are assigned to it, so a large file opens at once and
    pages are read when they are used. Of a transformers file the queries, keys and values are joined, which copies a
    quarter of the encoder; what ``save`` writes from it opens without.

    name: a repository ("facebook/vjepa2-vitl-fpc64-256"), an original file ("vitl.pt", "evals/ek100-vitl-256.pt", or its
    address), or the path of a file or folder. ``config.RELEASED`` lists all names.
    part: "encoder", "predictor", "action_predictor" or "probe"; None: the first that the checkpoint is for.
    weights: "online" or "ema" encoder. None: "ema" of an original pretraining file, as in all released evaluations;
    "online" of a repository, which holds nothing else, and of the action-conditioned file, which holds one twice.
    revision, token: of a repository, as huggingface-hub takes them. offline: use the cache and nothing else.
    config: the sizes, where the file can't say them; its heads must be those the weights were trained with.
    Raises FileNotFoundError if there is no such file, DownloadError if it can't be fetched, CheckpointError if it is not
    what it should be, or if keys, shapes or heads do not match: each names the way out.

    Differs: a probe has 16 heads, as it was trained; transformers gives it the encoder's 22 on ViT-g.
    """
    opened = open_path(fetch(name, revision, offline, token))
    if opened.kind == "own":
        held = opened.facts.get("kind")
        if held not in CONFIGS or part not in (None, held) or weights or config:
            expected = f"expected kind {part or ' or '.join(CONFIGS)} in its metadata, got {held!r}"
            raise CheckpointError(f"{name}: {expected}; a file of save holds one network with its config: load its path alone")
        return build(held, own_config(opened), opened.groups["own"], opened.source)
    released = find_released(str(name))
    part = part or (released.parts[0] if released else "encoder")
    state = part_of(opened, part, weights or (released.weights if released else None))
    return build(part, config or released_config(opened, part, state, released), state, opened.source)


def part_of(opened: Opened, part: Part, weights: Weights | None) -> State:
    """Take the tensors of one network out of a released layout, under our names."""
    if opened.kind == "official":
        held = sorted(opened.groups)
        chosen = {"encoder": "encoder" if weights == "online" else "target_encoder", "probe": "classifiers.0"}
        state = layouts.from_official(opened.groups.get(chosen.get(part, "predictor"), {}))
    else:
        found = opened.groups["transformers"]
        held = sorted({key.removeprefix("vjepa2.").split(".")[0] for key in found})
        fits = part != "action_predictor" and not (part == "encoder" and weights == "ema")
        state = layouts.from_transformers(found, part) if fits else {}
    if not state:
        what = f"{weights} {part}" if weights and part == "encoder" else part
        raise CheckpointError(f"{opened.source}: expected the {what}, got a checkpoint of {shorten(held)}; choose among them")
    return state


class Unfilled(TorchFunctionMode):
    """Leave tensors of the meta device as they are: neither filled nor copied, for which torch would load sympy."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.empty_like or getattr(func, "__module__", "") == "torch.nn.init":
            return (*args, *(kwargs or {}).values())[0]
        return func(*args, **(kwargs or {}))


def build(part: Part, config: Config, state: State, source: str) -> Network:
    """Build a network on the meta device and assign the tensors to it; raise CheckpointError if they do not fit."""
    if type(config) is not CONFIGS[part]:
        raise ValueError(f"config: expected {CONFIGS[part].__name__} for part={part!r}, got {type(config).__name__}; see part")
    precisions = {str(value.dtype).removeprefix("torch.") for value in state.values()}
    if len(precisions) != 1 or not precisions <= {"float32", "bfloat16", "float16"}:
        raise CheckpointError(f"{source}: expected one of float32, bfloat16, float16 throughout, got {precisions}; convert it")
    count = max(config.depth, getattr(config, "mask_tokens", 0))
    if count > len(state):  # a wrong number must not keep us building for hours
        raise CheckpointError(f"{source}: expected {count} blocks or mask tokens, got {len(state)} tensors; mend the config")
    with torch.device("meta"), Unfilled():
        model = NETWORKS[part](**vars(config)) if part == "probe" else NETWORKS[part](config)
    assign_strictly(model, state, source)
    return model.eval()


def assign_strictly(model: Network, state: State, source: str) -> None:
    """Assign every tensor to the parameter of its name; raise CheckpointError that lists all that does not fit."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    missing, unexpected = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    shared = wanted.keys() & found.keys()
    misshapen = [f"{key} {found[key]} instead of {wanted[key]}" for key in sorted(shared) if found[key] != wanted[key]]
    if missing or unexpected or misshapen:
        newer = any("norms_block" in key for key in unexpected)
        likely = "V-JEPA 2.1? minijepa does not read it" if newer else "Is it whole, and is it the config of another size?"
        raise CheckpointError(
            f"{source}: the weights do not fit the config. missing: {shorten(missing)}; unexpected: {shorten(unexpected)}; "
            f"wrong shape: {shorten(misshapen)}. {likely}"
        )
    model.load_state_dict(state, assign=True)


def describe(name: str, revision: str | None = None, offline: bool = False) -> str:
    """Tell what a checkpoint holds, by group: tensors, parameters and the memory they take; no tensor is read.

    name: as in ``load``. revision: of a repository. offline: use the cache and nothing else.
    """
    opened = open_path(fetch(name, revision, offline))
    groups = {opened.facts["kind"]: opened.groups["own"]} if "kind" in opened.facts else dict(opened.groups)
    for key, value in groups.pop("transformers", {}).items():
        groups.setdefault(key.removeprefix("vjepa2.").split(".")[0], {})[key] = value
    lines = [f"{opened.source}: {opened.kind} layout", "group  tensors  parameters  precision  GB as fp32  bf16 or fp16"]
    for group, state in groups.items():
        count = sum(value.numel() for value in state.values())
        precision = "/".join(sorted({str(value.dtype).removeprefix("torch.") for value in state.values()}))
        lines.append(f"{group:<16} {len(state):>5} {count:>14,} {precision:>9} {4e-9 * count:>8.3f} {2e-9 * count:>8.3f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command ``info``; what can't be opened ends it with one line instead of a traceback."""
    import tyro  # a twentieth of a second, which whoever loads a file need not wait

    try:
        positional = (tyro.conf.PositionalRequiredArgs,)
        text = tyro.extras.subcommand_cli_from_dict({"info": describe}, args=arguments, config=positional)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
