"""Graders of chapter 00: the two questions of the tour, what is hidden and what is similar."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.train.health import nearest_clips


@grader
def hidden(fn: Callable) -> str:
    """Check a function (context (b, k), n) -> (b, n - k): the ids of all tokens that the encoder does not see."""
    context = torch.tensor([[0, 3, 4, 9], [1, 2, 10, 11], [5, 6, 7, 8]])
    answer = fn(context.clone(), 12)
    if isinstance(answer, torch.Tensor):
        require(answer.dtype == torch.int64, f"ids are whole numbers (torch.int64), got {answer.dtype}.")
        require(tuple(answer.shape) != (8,), "one clip at a time is not enough: return one row for each clip.")
        require(not close(answer, context), "these are the visible tokens; the hidden ones are all the others.")
    answer = require_tensor(answer, (3, 8), "the hidden ids")
    wanted = torch.tensor([[i for i in range(12) if i not in row] for row in context.tolist()])
    require(not close(answer, wanted[:1].expand(3, -1)), "every row is that of the first clip: each clip hides other tokens.")
    require(not close(answer, wanted + 1), "ids begin at 0: token 12 does not exist.")
    require(not close(answer.sort(1).values, wanted) or close(answer, wanted), "the ids should ascend in every row.")
    require(close(answer, wanted), f"for {context[0].tolist()} of 12 expected {wanted[0].tolist()}, got {answer[0].tolist()}.")
    return "context and targets together are the whole clip."


@grader
def most_similar(fn: Callable) -> str:
    """Check a function (features (clips, d), queries (q, d)) -> (q,) that finds the clip with the highest centred cosine."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 6, generator=generator) * (0.2 + 3 * torch.rand(40, 1, generator=generator)) + 2
    queries = torch.randn(30, 6, generator=generator) + 2
    answer = require_tensor(fn(features.clone(), queries.clone()), (30,), "the indices")
    centred, asked = features - features.mean(0), queries - features.mean(0)
    cosine = F.normalize(asked, dim=1) @ F.normalize(centred, dim=1).T
    wrong = {
        "that is the least similar clip: take the largest cosine.": cosine.argmin(1),
        "that is the largest dot product, which favours long vectors: divide by the lengths.": (asked @ centred.T).argmax(1),
        "that is the nearest by distance; compare directions.": torch.cdist(queries, features).argmin(1),
        "subtract the mean of all clips first: what all share says nothing.": (
            F.normalize(queries, dim=1) @ F.normalize(features, dim=1).T
        ).argmax(1),
    }
    for diagnosis, indices in wrong.items():
        require(not close(answer, indices), diagnosis)
    require(close(answer, nearest_clips(features, queries, 1)[:, 0]), "expected the index of the highest cosine.")
    return "the same neighbours as the library finds."
