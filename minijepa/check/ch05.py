"""Graders of chapter 05, the predictor."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder, gather_tokens
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.rope import rotary_tables
from minijepa.train.masks import Tube

GRID = (2, 2, 3)  # not square, so that a wrong grid shows


@grader
def cosine(fn: Callable) -> str:
    """Grade ``fn(predicted (b, m, d), target (b, m, d)) -> (b, m)``, the cosine of each token."""
    generator = torch.Generator().manual_seed(0)
    predicted, target = (torch.randn(3, 5, 7, generator=generator) * scale for scale in (2.0, 0.5))
    answer = fn(predicted.clone(), target.clone())
    require(not isinstance(answer, float), "this is one number; give one for each token: sum over channels only.")
    answer = require_tensor(answer, (3, 5), "the cosine")
    dot = (predicted * target).sum(-1)
    require(not close(answer, dot), "this is the dot product: divide by both lengths.")
    require(not close(answer, dot / predicted.norm(dim=-1)), "divide by the length of the target, too.")
    require(not close(answer, dot / target.norm(dim=-1)), "divide by the length of the prediction, too.")
    squares = predicted.square().sum(-1) * target.square().sum(-1)
    require(not close(answer, dot / squares), "you divided by the squared lengths: take the square root.")
    require(close(answer, F.cosine_similarity(predicted, target, dim=-1)), "the values differ: is the sum over the last axis?")
    return "one cosine for each token."


@grader
def honest(fn: Callable) -> str:
    """Grade ``fn(encoder, predictor, video, masks) -> (b, m, d)``: hide first, then encode, then predict."""
    generator = torch.Generator().manual_seed(0)
    encoder, predictor = _networks(generator)
    video = torch.randn(2, 3, 4, 16, 24, generator=generator)
    masks = Tube(0.34).draw(GRID, 2, generator)
    answer = require_tensor(fn(encoder, predictor, video, masks), (*masks.targets.shape, 24), "the prediction")
    context = encoder(video, masks.context)
    right = predictor(context, masks.context, masks.targets, GRID)
    leak = predictor(gather_tokens(encoder(video), masks.context), masks.context, masks.targets, GRID)
    require(
        not close(answer, leak),
        "it leaks: you encoded the whole clip and picked the context afterwards. Hide first, then encode.",
    )
    zero = predictor(context, masks.context, masks.targets, GRID, mask_token=1)
    require(not close(answer, zero), "you asked with mask token 1; token 0 is the one that is trained.")
    turned = predictor(context, masks.context, masks.targets, (GRID[0], GRID[2], GRID[1]))
    require(not close(answer, turned), "height and width of the grid are swapped: take encoder.grid(video).")
    require(close(answer, right), "the numbers differ: do the ids of context and targets stand in the right places?")
    require(answer.requires_grad, "no gradient comes back: remove no_grad and detach, the encoder must learn.")
    reached = torch.autograd.grad(answer.sum(), encoder.patch_embed.proj.weight, allow_unused=True)[0]
    require(reached is not None, "no gradient reaches the encoder: do not detach the context.")
    return "nothing hidden is seen, and the encoder can learn from the error."


@grader
def forward(fn: Callable) -> str:
    """Grade ``fn(predictor, context, context_ids, target_ids, grid) -> (b, m, encoder_width)``."""
    generator = torch.Generator().manual_seed(1)
    _, predictor = _networks(generator)
    masks = Tube(0.34).draw(GRID, 2, generator)
    context = torch.randn(*masks.context.shape, 24, generator=generator)
    m, k = masks.targets.shape[1], masks.context.shape[1]
    order = torch.randperm(m, generator=generator)
    targets = masks.targets[:, order]
    with torch.no_grad():
        answer = fn(predictor, context, masks.context, targets, GRID)
        shape = tuple(getattr(answer, "shape", ()))
        require(shape[1:2] != (m + k,), "you return context and targets: keep the last m tokens only.")
        require(
            shape[2:] != (predictor.config.width,), "the width is the predictor's: predictor_proj leads back to the encoder's."
        )
        answer = require_tensor(answer, (2, m, 24), "the prediction")
        for slip, diagnosis in _SLIPS.items():
            require(not close(answer, _parts(predictor, context, masks.context, targets, slip), 1e-6), diagnosis)
        sorted_back = predictor(context, masks.context, targets.sort(1).values, GRID)
        require(not close(answer, sorted_back, 1e-6), "the answers are sorted by id: return them in the order of target_ids.")
        require(
            close(answer, predictor(context, masks.context, targets, GRID), 1e-5), "the numbers differ; compare step by step."
        )
    return "the same as the library, in your own words."


_SLIPS = {
    "norm": "predictor_norm is missing before predictor_proj.",
    "token": "you used mask token 1: the task asks for token 0.",
    "positions": "the blocks get no rotary tables: all targets then get the same answer.",
    "order": "ids and tokens are joined in different orders: context first, in both.",
    "grid": "the tables are built for another grid: pass `grid` on.",
}


def _networks(generator: torch.Generator) -> tuple[VideoEncoder, MaskedPredictor]:
    """Build a small pair whose mask tokens all differ, so that a mix-up shows."""
    encoder = VideoEncoder(EncoderConfig(24, 2, 2, patch=8, rope="textbook", rope_base=100.0), generator)
    predictor = MaskedPredictor(PredictorConfig(24, 36, 2, 2, mask_tokens=2, rope="textbook", rope_base=100.0), generator)
    with torch.no_grad():
        for weight in [*encoder.parameters(), *predictor.parameters()]:
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return encoder, predictor


def _parts(predictor: MaskedPredictor, context, context_ids, target_ids, slip: str):
    """Run the forward with one typical slip."""
    query = predictor.mask_tokens[1 if slip == "token" else 0].expand(*target_ids.shape, -1)
    x = torch.cat((predictor.predictor_embed(context), query), 1)
    ids = torch.cat((target_ids, context_ids) if slip == "order" else (context_ids, target_ids), 1)
    grid = (GRID[0], GRID[2], GRID[1]) if slip == "grid" else GRID
    tables = rotary_tables(ids, grid, 18, 100.0, "textbook")
    for block in predictor.predictor_blocks:
        x = block(x, None if slip == "positions" else tables)
    x = x[:, context_ids.shape[1] :]
    return predictor.predictor_proj(x if slip == "norm" else predictor.predictor_norm(x))
