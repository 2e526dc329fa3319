"""The graders of chapter 05 accept the library and tell typical mistakes apart."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.check import ch05
from minijepa.model.encoder import gather_tokens
from minijepa.model.rope import rotary_tables
from minijepa.train.objective import predict_hidden


def cosine(predicted, target):
    return F.cosine_similarity(predicted, target, dim=-1)


def library(predictor, context, context_ids, target_ids, grid):
    return predictor(context, context_ids, target_ids, grid)


def leaky(encoder, predictor, video, masks):
    return predictor(gather_tokens(encoder(video), masks.context), masks.context, masks.targets, encoder.grid(video))


def zero_token(encoder, predictor, video, masks):
    return predictor(encoder(video, masks.context), masks.context, masks.targets, encoder.grid(video), 1)


def swapped_grid(encoder, predictor, video, masks):
    t, h, w = encoder.grid(video)
    return predictor(encoder(video, masks.context), masks.context, masks.targets, (t, w, h))


def detached(encoder, predictor, video, masks):
    context = encoder(video, masks.context).detach()
    return predictor(context, masks.context, masks.targets, encoder.grid(video))


def without_gradient(encoder, predictor, video, masks):
    with torch.no_grad():
        return predict_hidden(encoder, predictor, video, masks)


def context_again(encoder, predictor, video, masks):
    return predictor(encoder(video, masks.context), masks.context, masks.context, encoder.grid(video))


def by_hand(predictor, context, context_ids, target_ids, grid, slip=""):
    query = predictor.mask_tokens[1 if slip == "token" else 0].expand(*target_ids.shape, -1)
    x = torch.cat((predictor.predictor_embed(context), query), 1)
    ids = torch.cat((target_ids, context_ids) if slip == "order" else (context_ids, target_ids), 1)
    config = predictor.config
    tables = rotary_tables(ids, grid[::-1] if slip == "grid" else grid, 18, config.rope_base, config.rope)
    for block in predictor.predictor_blocks:
        x = block(x, None if slip == "positions" else tables)
    x = x if slip == "all" else x[:, context_ids.shape[1] :]
    x = x if slip == "norm" else predictor.predictor_norm(x)
    return x if slip == "proj" else predictor.predictor_proj(x)


def sorts(predictor, context, context_ids, target_ids, grid):
    return predictor(context, context_ids, target_ids.sort(1).values, grid)


WRONG = [
    (ch05.cosine, lambda p, t: (p * t).sum(-1), "dot product"),
    (ch05.cosine, lambda p, t: (p * t).sum(-1) / p.norm(dim=-1), "target, too"),
    (ch05.cosine, lambda p, t: (p * t).sum(-1) / t.norm(dim=-1), "prediction, too"),
    (ch05.cosine, lambda p, t: (p * t).sum(-1) / (p.square().sum(-1) * t.square().sum(-1)), "square root"),
    (ch05.cosine, lambda p, t: F.cosine_similarity(p, t, dim=1), "shape"),
    (ch05.cosine, lambda p, t: cosine(p, t).mean().item(), "one number"),
    (ch05.honest, leaky, "leaks"),
    (ch05.honest, zero_token, "mask token 1"),
    (ch05.honest, swapped_grid, "swapped"),
    (ch05.honest, detached, "encoder"),
    (ch05.honest, without_gradient, "no_grad"),
    (ch05.honest, context_again, "shape"),
    (ch05.forward, lambda *args: by_hand(*args, slip="norm"), "predictor_norm"),
    (ch05.forward, lambda *args: by_hand(*args, slip="token"), "token 1"),
    (ch05.forward, lambda *args: by_hand(*args, slip="positions"), "no rotary"),
    (ch05.forward, lambda *args: by_hand(*args, slip="order"), "different orders"),
    (ch05.forward, lambda *args: by_hand(*args, slip="all"), "last m"),
    (ch05.forward, lambda *args: by_hand(*args, slip="proj"), "predictor_proj"),
    (ch05.forward, lambda *args: by_hand(*args, slip="grid"), "differ"),
    (ch05.forward, sorts, "sorted by id"),
]
RIGHT = [(ch05.cosine, cosine), (ch05.honest, predict_hidden), (ch05.forward, library), (ch05.forward, by_hand)]


@pytest.mark.parametrize("grade, right", RIGHT)
def test_right_answer_passes(grade, right):
    assert grade(right).passed, grade(right)


@pytest.mark.parametrize("grade, wrong, words", WRONG)
def test_mistake_is_named(grade, wrong, words):
    verdict = grade(wrong)
    assert not verdict.passed and words in verdict.message, verdict


@pytest.mark.parametrize("grade", [ch05.cosine, ch05.honest, ch05.forward])
def test_no_answer_is_no_crash(grade):
    assert not grade(lambda *args: None).passed
    assert not grade(lambda *args: 1 / 0).passed
    assert not grade(lambda *args: torch.full((3, 5), torch.nan)).passed
