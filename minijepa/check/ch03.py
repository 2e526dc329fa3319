"""Graders of chapter 03: attention by hand, and the cost of an encoder by counting."""

from collections.abc import Callable

import torch

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.config import EncoderConfig
from minijepa.show.cost import flops_by_part, parameters_by_part

SIZES = (EncoderConfig.tiny(), EncoderConfig.vit_l(), EncoderConfig.vit_g())


@grader
def attend(fn: Callable) -> str:
    """Check a function (q, k, v), each (b, e, n, c), -> (b, e, n, c) that is scaled dot-product attention."""
    generator = torch.Generator().manual_seed(3)
    q, k, v = 2 * torch.randn(3, 2, 3, 5, 16, generator=generator)
    q = q[:, :, :4]  # fewer queries than keys, so that exchanged axes show
    answer = require_tensor(fn(q, k, v), (2, 3, 4, 16), "the mixed values")
    scores = q @ k.transpose(-1, -2)
    wrong = {
        "the scores are not divided by sqrt(c), c the width of a head.": scores.softmax(-1) @ v,
        "the scores are divided by c; its square root is wanted.": (scores / 16).softmax(-1) @ v,
        "the scores are divided by sqrt(e c), the whole width; c is the width of one head.": (scores / 48**0.5).softmax(-1) @ v,
        "softmax runs over the queries; the weights of a query over all keys should add up to 1.": (scores / 4).softmax(-2) @ v,
        "there is no softmax: the weights should be positive and add up to 1 for each query.": (scores / 4) @ v,
    }
    for diagnosis, values in wrong.items():
        require(not close(answer, values, 1e-3), diagnosis)
    mixed = (scores / 4).softmax(-1) @ v
    require(close(answer, mixed, 1e-4), "expected softmax(q k' / sqrt(c)) v, with the softmax over the keys.")
    return "the same as torch's scaled_dot_product_attention."


@grader
def count_parameters(fn: Callable) -> str:
    """Check a function (config) -> int that counts the parameters of an encoder."""
    for config in SIZES:
        answer = fn(config)
        require(answer is not None, "the result is None: is there a return statement?")
        parts, d, blocks = parameters_by_part(config), config.width, config.depth
        wanted = sum(parts.values())
        biases = d + blocks * (5 * d + config.hidden)
        gaps = {
            0: "",
            biases: "the biases are missing: every linear map has one number for each output.",
            blocks * (5 * d + config.hidden): "the biases inside the blocks are missing.",
            2 * d: "the final norm is missing: it has a scale and a shift of width d.",
            parts["norms"]: "the norms are missing: two in each block and one at the end, each with scale and shift.",
            parts["norms"] + biases: "norms and biases are missing.",
            parts["patch embedding"]: "the patch embedding is missing.",
        }
        gap = wanted - answer
        require(gap in gaps, f"width {d}, depth {blocks}: expected {wanted:,}, got {answer:,} ({-gap:+,}).")
        require(gap == 0, gaps[gap])
    return "right for tiny, ViT-L and ViT-g."


@grader
def count_flops(fn: Callable) -> str:
    """Check a function (config, tokens) -> int that counts the operations of a forward."""
    for config in SIZES:
        for n in (100, 2048):
            answer = fn(config, n)
            require(answer is not None, "the result is None: is there a return statement?")
            parts = flops_by_part(config, n)
            wanted = sum(parts.values())
            require(2 * answer != wanted, "that is half: a multiplication and an addition count as two operations.")
            require(answer != wanted - parts["scores and mixing"], "the scores and the mixing are missing: 4 n² d a block.")
            half = wanted - parts["scores and mixing"] // 2
            require(answer != half, "scores and mixing are two products of n x n with n x d, not one.")
            require(answer != wanted - parts["patch embedding"], "the patch embedding is missing.")
            require(answer == wanted, f"width {config.width}, {n} tokens: expected {wanted:,}, got {answer:,}.")
    return "right for tiny, ViT-L and ViT-g, on short and long clips."
