"""Count what one training step costs on one GPU, from the config alone: tokens, bytes and operations.

Only matrix products are counted as operations; a multiplication and an addition are two. Saved activations are
counted tensor by tensor, as the code of ``model/transformer.py`` makes autograd keep them; tests compare both counts
with what torch measures on small networks.
"""

from dataclasses import dataclass

import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import Grid, MaskType


@dataclass(frozen=True)
class Seen:
    """Count the tokens of one clip under one mask."""

    context: float | int  # k, through the encoder
    targets: float | int  # m, predicted


@dataclass(frozen=True)
class Precision:
    """Say how many bytes a saved number takes."""

    each: int = 4  # in matrix products, GELU and the residual stream
    norm: int = 4  # in the inputs of layer norms; autocast on a GPU keeps these in float32, on a CPU not


FLOAT32 = Precision()
BF16_GPU = Precision(2, 4)


def draw_seen(masks: tuple[MaskType, ...], grid: Grid, clips: int, draws: int, seed: int = 0) -> list[list[Seen]]:
    """Draw the masks of ``draws`` steps for ``clips`` clips that share their lengths; one inner list a step."""
    generator = torch.Generator().manual_seed(seed)
    pairs = [[mask.draw(grid, clips, generator) for mask in masks] for _ in range(draws)]
    return [[Seen(pair.context.shape[1], pair.targets.shape[1]) for pair in step] for step in pairs]


def mean_seen(steps: list[list[Seen]]) -> list[Seen]:
    """Average the token counts of several steps, mask by mask."""
    by_mask = zip(*steps, strict=True)
    return [Seen(sum(s.context for s in one) / len(one), sum(s.targets for s in one) / len(one)) for one in by_mask]


def parameters(encoder: EncoderConfig, predictor: PredictorConfig) -> tuple[int, int]:
    """Count the parameters of encoder and predictor, by building them without memory."""
    with torch.device("meta"):
        networks = VideoEncoder(encoder), MaskedPredictor(predictor)
    return tuple(sum(p.numel() for p in network.parameters()) for network in networks)


def block_flops(width: int, hidden: int, n: float | int, m: float | int) -> float | int:
    """Count the operations of one block on ``n`` tokens of which the last ``m`` are read.

    Queries, keys and values 6 n d^2, scores and mixing 4 m n d, output 2 m d^2, MLP 4 m d hidden.
    """
    return 6 * n * width**2 + 4 * m * n * width + 2 * m * width**2 + 4 * m * width * hidden


def encoder_flops(config: EncoderConfig, n: float | int) -> tuple[float | int, float | int]:
    """Count the operations of one forward on ``n`` tokens: (patch embedding, blocks)."""
    patch = 2 * n * 3 * config.tubelet * config.patch**2 * config.width
    return patch, config.depth * block_flops(config.width, config.hidden, n, n)


def predictor_flops(config: PredictorConfig, seen: Seen) -> tuple[float | int, float | int]:
    """Count the operations of one forward: (what is never computed twice, all blocks but the last)."""
    n, width = seen.context + seen.targets, config.width
    ends = 2 * width * (seen.context * config.encoder_width + seen.targets * (config.output_width or config.encoder_width))
    final = block_flops(width, 4 * width, n, seen.targets)
    return ends + final, (config.depth - 1) * block_flops(width, 4 * width, n, n)


def step_flops(encoder: EncoderConfig, predictor: PredictorConfig, n: int, masks: list[Seen], recompute: bool) -> float | int:
    """Count the operations of one step for one clip: teacher, and for each mask a forward and a backward pass.

    A backward pass costs two forwards; only the patch embedding, whose input needs no gradient, costs one.
    ``recompute`` adds a forward of each block but its last product, whose result nobody needs.
    """
    total = sum(encoder_flops(encoder, n))  # the teacher, forward only
    for seen in masks:
        patch, blocks = encoder_flops(encoder, seen.context)
        once, early = predictor_flops(predictor, seen)
        total += 2 * patch + 3 * (blocks + once + early)
        if recompute:
            hidden = encoder.depth * encoder.width * encoder.hidden * seen.context
            hidden += (predictor.depth - 1) * 4 * predictor.width**2 * (seen.context + seen.targets)
            total += blocks + early - 2 * hidden
    return total


def block_saved(width: int, hidden: int, heads: int, n: int, m: int, kind: Precision) -> int:
    """Count the bytes that autograd keeps of one block on ``n`` tokens of which the last ``m`` are read.

    The inputs of both norms (n d, m d), with mean and deviation of each token; what the norms give (n d, m d);
    queries, keys and values (3 n d) and the turned queries and keys (2 n d); what attention gives (m d) with a log-sum
    of each head; the hidden layer before and after GELU (2 m hidden). For n = m and hidden = 4 d that is 18 n d numbers.
    """
    norms = (n + m) * width * kind.norm + 2 * 4 * (n + m)
    products = ((n + m) + 5 * n + m) * width + 2 * m * hidden
    return norms + products * kind.each + 4 * heads * m


def rotary_saved(head_width: int, n: int, kind: Precision) -> int:
    """Count the bytes of the two rotary tables of ``n`` tokens, which all blocks share."""
    return 2 * n * head_width * kind.each


def encoder_saved(config: EncoderConfig, k: int, kind: Precision, recompute: bool) -> int:
    """Count the bytes kept of the encoder's pass over ``k`` context tokens of one clip.

    Cut-out pixels, blocks (with ``recompute`` their inputs only), the final norm and what it gives.
    """
    block = block_saved(config.width, config.hidden, config.heads, k, k, kind)
    blocks = config.depth * (k * config.width * kind.each if recompute else block)
    pixels = k * 3 * config.tubelet * config.patch**2 * kind.each
    norm = k * config.width * (kind.norm + kind.each) + 8 * k
    return pixels + blocks + norm + rotary_saved(config.width // config.heads, k, kind)


def predictor_saved(config: PredictorConfig, seen: Seen, kind: Precision, recompute: bool) -> int:
    """Count the bytes kept of the predictor's pass and of the loss on its output, for one clip."""
    n, width, hidden = seen.context + seen.targets, config.width, 4 * config.width
    block = block_saved(width, hidden, config.heads, n, n, kind)
    early = (config.depth - 1) * (n * width * kind.each if recompute else block)
    final = block_saved(width, hidden, config.heads, n, seen.targets, kind)
    norm = seen.targets * width * (kind.norm + kind.each) + 8 * seen.targets
    loss = seen.targets * (config.output_width or config.encoder_width) * 4  # prediction - target, float32
    return early + final + norm + loss + rotary_saved(width // config.heads, n, kind)


def step_saved(encoder: EncoderConfig, predictor: PredictorConfig, masks: list[Seen], kind: Precision, recompute: bool) -> int:
    """Count the bytes that one clip holds at the end of a step's forward pass, where they are most.

    With ``recompute`` the largest block is added, which the backward pass makes anew.
    """
    kept = sum(
        encoder_saved(encoder, seen.context, kind, recompute) + predictor_saved(predictor, seen, kind, recompute)
        for seen in masks
    )
    if not recompute:
        return kept
    again = [block_saved(encoder.width, encoder.hidden, encoder.heads, s.context, s.context, kind) for s in masks]
    again += [
        block_saved(predictor.width, 4 * predictor.width, predictor.heads, *[s.context + s.targets] * 2, kind) for s in masks
    ]
    return kept + max(again)
