"""The graders of chapter 04 accept the library and tell typical mistakes apart."""

import pytest
import torch

from minijepa.check import ch04
from minijepa.train.masks import Masks, Tube, first_ids
from minijepa.train.masks import thin as library_thin


def tube(visible, grid, batch, generator):
    return Tube(visible / (grid[1] * grid[2])).draw(grid, batch, generator)


def split(order, cut):
    return Masks(order[:, :cut].sort(1).values, order[:, cut:].sort(1).values)


def time_too(visible, grid, batch, generator):
    t, h, w = grid
    return split(torch.rand(batch, t * h * w, generator=generator).argsort(1), visible * t)


def one_for_all(visible, grid, batch, generator):
    masks = tube(visible, grid, 1, generator)
    return Masks(masks.context.expand(batch, -1), masks.targets.expand(batch, -1))


def tokens_not_patches(visible, grid, batch, generator):
    return split(torch.rand(batch, 144, generator=generator).argsort(1), visible)


def targets_are_context(visible, grid, batch, generator):
    masks = tube(visible, grid, batch, generator)
    return Masks(masks.context, masks.targets * 0 + masks.context[:, :1])


def no_generator(visible, grid, batch, generator):
    return tube(visible, grid, batch, torch.Generator().manual_seed(int(torch.randint(10**9, ()))))


def unsorted(visible, grid, batch, generator):
    masks = tube(visible, grid, batch, generator)
    return Masks(masks.context.flip(1), masks.targets)


def last_ids(chosen):
    k = int(chosen.flatten(1).sum(1).min())
    return torch.stack([row.flatten().nonzero()[-k:, 0] for row in chosen])


def padded(chosen):
    rows = [row.flatten().nonzero()[:, 0] for row in chosen]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def random_ids(chosen):
    k = int(chosen.flatten(1).sum(1).min())
    rows = [row.flatten().nonzero()[:, 0] for row in chosen]
    return torch.stack([row[torch.randperm(len(row))[:k]].sort().values for row in rows])


def per_step(chosen):
    return first_ids(chosen) % 36


def first(ids, keep, generator):
    return ids[:, :keep]


def same_places(ids, keep, generator):
    return ids[:, torch.randperm(ids.shape[1], generator=generator)[:keep].sort().values]


def with_replacement(ids, keep, generator):
    return ids.gather(1, torch.randint(ids.shape[1], (len(ids), keep), generator=generator)).sort(1).values


def not_ascending(ids, keep, generator):
    return ids.gather(1, torch.rand(ids.shape, generator=generator).topk(keep, 1).indices)


def biased(ids, keep, generator):
    odds = torch.linspace(2, 1, ids.shape[1]) * torch.rand(ids.shape, generator=generator)
    return ids.gather(1, odds.topk(keep, 1).indices.sort(1).values)


WRONG = [
    (ch04.tube, time_too, "sampled time too"),
    (ch04.tube, one_for_all, "same mask"),
    (ch04.tube, tokens_not_patches, "9 tokens"),
    (ch04.tube, targets_are_context, "overlap"),
    (ch04.tube, no_generator, "generator"),
    (ch04.tube, unsorted, "ascend"),
    (ch04.cut, last_ids, "kept the last"),
    (ch04.cut, padded, "padded"),
    (ch04.cut, random_ids, "at random"),
    (ch04.cut, per_step, "not chosen"),
    (ch04.cut, lambda chosen: first_ids(chosen).flip(1), "ascend"),
    (ch04.thin, first, "first ids"),
    (ch04.thin, same_places, "same ids"),
    (ch04.thin, with_replacement, "twice"),
    (ch04.thin, not_ascending, "ascend"),
    (ch04.thin, biased, "more often"),
]
GRADERS = [(ch04.tube, tube), (ch04.cut, first_ids), (ch04.thin, library_thin)]


@pytest.mark.parametrize("grade, right", GRADERS)
def test_library_passes(grade, right):
    assert grade(right).passed, grade(right)


@pytest.mark.parametrize("grade, wrong, words", WRONG)
def test_mistake_is_named(grade, wrong, words):
    verdict = grade(wrong)
    assert not verdict.passed and words in verdict.message, verdict


@pytest.mark.parametrize("grade", [grade for grade, _ in GRADERS])
def test_no_answer_is_no_crash(grade):
    assert not grade(lambda *args: None).passed
    assert not grade(lambda *args: 1 / 0).passed
    assert not grade(lambda *args: torch.full((5, 3), torch.nan)).passed
