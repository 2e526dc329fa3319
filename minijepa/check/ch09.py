"""Graders of chapter 09: names in original files, fused projections, and what weights weigh."""

from collections.abc import Callable

import torch

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.config import EncoderConfig
from minijepa.model.layouts import from_official
from minijepa.show.cost import parameters_by_part


@grader
def names(fn: Callable) -> str:
    """Check a function state -> state that strips the wrappers' prefixes and drops stale position tables."""
    for before in ("module.backbone.", "module."):  # pretraining files, action-conditioned files
        kept = (
            "patch_embed.proj.weight",
            "blocks.0.attn.qkv.bias",
            "norm.weight",
            "predictor_embed.weight",
            "predictor_pos_embed",
        )
        state = {before + key: torch.full((2,), float(i)) for i, key in enumerate((*kept, "pos_embed"))}
        answer, wanted = fn(dict(state)), from_official(state)
        require(answer is not None, "the result is None: is there a return statement?")
        require(isinstance(answer, dict), f"expected a dict of tensors, got a {type(answer).__name__}.")
        left = [key for key in answer if key.startswith(("module.", "backbone."))]
        require(not left, f"a prefix is left: {left[:1]}; original names begin with {before!r}.")
        stale = sorted({"pos_embed", "predictor_pos_embed"} & answer.keys())
        require(not stale, f"{' and '.join(stale)} is still there: with rotary positions no network reads the table.")
        lost = sorted(wanted.keys() - answer.keys())
        require(not lost, f"{', '.join(lost)} got lost: drop exactly the two position tables, by their whole names.")
        require(answer.keys() == wanted.keys(), f"unexpected names: {sorted(answer.keys() - wanted.keys())}.")
        require(
            all(torch.equal(answer[key], wanted[key]) for key in wanted), "the names are right, but tensors were exchanged."
        )
    return "a strict load would take this."


@grader
def join(fn: Callable) -> str:
    """Check a function (query, key, value), each (d, d) or (d,), -> qkv (3 d, d) or (3 d,)."""
    generator = torch.Generator().manual_seed(9)
    for shape in ((6, 6), (6,)):
        q, k, v = (torch.randn(shape, generator=generator) for _ in range(3))
        answer = fn(q.clone(), k.clone(), v.clone())
        if isinstance(answer, torch.Tensor):
            require(tuple(answer.shape) != (6, 18), "they stand side by side: rows are outputs, so put one below the other.")
            require(tuple(answer.shape) != (3, *shape), "they are stacked along a new axis: join them along the first one.")
        answer = require_tensor(answer, (18, *shape[1:]), "qkv")
        for order, found in (("k, q, v", (k, q, v)), ("v, k, q", (v, k, q)), ("q, v, k", (q, v, k))):
            require(not close(answer, torch.cat(found)), f"the order is {order}: queries come first, then keys, then values.")
        mixed = torch.stack((q, k, v), 1).flatten(0, 1)
        require(not close(answer, mixed), "rows alternate q, k, v: all queries come first, then all keys, then all values.")
        require(close(answer, torch.cat((q, k, v))), "expected the rows of q, then those of k, then those of v.")
    return "queries, keys and values lie where the fused layer looks for them."


@grader
def memory(fn: Callable) -> str:
    """Check a function (config, bytes a number) -> bytes that the weights of an encoder take."""
    for config in (EncoderConfig.vit_l(), EncoderConfig.vit_g(), EncoderConfig.tiny()):
        parts = parameters_by_part(config)
        count = sum(parts.values())
        for size in (4, 2):
            answer = fn(config, size)
            require(answer is not None, "the result is None: is there a return statement?")
            require(isinstance(answer, int | float), f"expected a number of bytes, got a {type(answer).__name__}.")
            require(answer != count, "that is the number of parameters: each takes some bytes.")
            require(size == 4 or answer != 4 * count, "that is float32 whatever is asked: use the second argument.")
            require(answer != 8 * size * count, "those are bits: a byte is enough.")
            require(abs(answer - size * count / 1e9) > 1e-6, "those are gigabytes: give bytes.")
            weights = config.depth * (4 * config.width**2 + 2 * config.width * config.hidden)
            require(answer != size * weights, "biases, norms and the patch embedding are missing.")
            require(answer == size * count, f"expected {size * count:,} bytes for width {config.width}, got {answer:,}.")
    return "right for ViT-L, ViT-g and the toy, in both precisions."
