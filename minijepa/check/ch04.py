"""Graders of chapter 04, masks."""

from collections.abc import Callable

import torch

from minijepa.check.verdict import grader, require, require_tensor
from minijepa.train.masks import first_ids, scatter

GRID = (4, 6, 6)
N = 4 * 6 * 6


@grader
def tube(fn: Callable) -> str:
    """Grade ``fn(visible, grid, batch, generator) -> Masks``: show some patches through all time, hide the others."""
    context, targets = fn(9, GRID, 32, torch.Generator().manual_seed(0))
    require(
        context.ndim == 2 and context.shape[1] != 9, "you chose 9 tokens; choose 9 patches and take them at every time step."
    )
    context = require_tensor(context, (32, 36), "the context")
    targets = require_tensor(targets, (32, N - 36), "the targets")
    seen = scatter(context, GRID)
    require((seen.sum(1) == 36).all(), "a token stands twice in the context.")
    require(
        (seen ^ scatter(targets, GRID)).all(), "context and targets overlap: the targets are all ids that the context lacks."
    )
    steps = seen.view(32, GRID[0], -1)
    require(
        (steps == steps[:, :1]).all(), "the mask differs from frame to frame: you sampled time too, so neighbours in time leak."
    )
    require((seen != seen[:1]).any(), "every clip has the same mask: draw one for each row of the batch.")
    require(
        (context.diff(dim=1) > 0).all() and (targets.diff(dim=1) > 0).all(), "sort the ids of each row, so that they ascend."
    )
    again = fn(9, GRID, 32, torch.Generator().manual_seed(0))[0]
    require(torch.equal(again, context), "the same generator gave another mask: pass `generator` to every random call.")
    require((steps[:, 0].float().mean(0) > 0).all(), "some patches are never shown in 32 clips: is the choice random?")
    return "the patches are shown through all time, and everything else is asked for."


@grader
def cut(fn: Callable) -> str:
    """Grade ``fn(chosen (b, t, h, w)) -> ids (b, k)``: raster ids, cut to the smallest row by dropping the last."""
    chosen = torch.rand(5, *GRID, generator=torch.Generator().manual_seed(1)) < torch.linspace(0.3, 0.7, 5).view(5, 1, 1, 1)
    counts = chosen.flatten(1).sum(1)
    answer = fn(chosen.clone())
    require(answer is not None, "the result is None: is there a return statement?")
    require(answer.ndim == 2, f"expected one tensor (b, k), got shape {tuple(answer.shape)}.")
    require(answer.shape[1] != counts.max(), "rows are padded to the longest: cut to the shortest, a padded id would be seen.")
    answer = require_tensor(answer, (5, int(counts.min())), "the ids")
    inside = chosen.flatten(1).gather(1, answer.long())
    require(
        inside.all(), "some ids were not chosen: the id of (t, row, column) is t·h·w + row·w + column, with h·w patches a step."
    )
    require((answer.diff(dim=1) > 0).all(), "ids must ascend in every row.")
    last = torch.stack([row.flatten().nonzero()[-answer.shape[1] :, 0] for row in chosen])
    require(not torch.equal(answer, last), "you kept the last ids; the released rule keeps the first, so the latest steps go.")
    require(
        torch.equal(answer, first_ids(chosen)),
        "the count is right, but not the first ids are kept: was something drawn at random?",
    )
    return "each row keeps its first ids, as the released collator does."


@grader
def thin(fn: Callable) -> str:
    """Grade ``fn(ids (b, k), keep, generator) -> (b, keep)``: drop ids at random, so that no time step is favoured."""
    ids = torch.arange(N).expand(400, -1)[:, :100].contiguous()
    answer = require_tensor(fn(ids.clone(), 25, torch.Generator().manual_seed(0)), (400, 25), "the ids")
    require((answer < 100).all() and (answer >= 0).all(), "some ids are not among those given: gather from `ids`.")
    require(
        not torch.equal(answer, ids[:, :25]), "these are the first ids: the latest steps are dropped, as in the released cut."
    )
    ordered = answer.sort(1).values
    require((ordered.diff(dim=1) > 0).all(), "an id stands twice: choose without replacement.")
    require((answer.diff(dim=1) > 0).all(), "the kept ids must ascend: sort the chosen places.")
    require((answer != answer[:1]).any(), "every row drops the same ids: draw for each row.")
    often = torch.bincount(answer.flatten(), minlength=100) / 400  # 0.25 each, standard deviation 0.022
    require(
        often.max() < 0.36 and often.min() > 0.14, "some places are dropped more often than others: draw all with equal chance."
    )
    again = fn(ids.clone(), 25, torch.Generator().manual_seed(0))
    require(torch.equal(again, answer), "the same generator gave other ids: pass `generator` to the random call.")
    return "every place is dropped equally often, and the rest still ascends."
