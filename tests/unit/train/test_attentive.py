"""Many probes in one pass: each is trained as it would be alone, and the one that is picked is reported as picked."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from minijepa.intervals import wilson
from minijepa.model.probe import ActionLogits, AttentiveProbe
from minijepa.train.attentive import (
    ACTION_HEADS,
    MULTILEVEL_HEADS,
    VIDEO_HEADS,
    ClipTokens,
    Head,
    ProbeFit,
    Selection,
    clip_batches,
    fit_heads,
    grid,
    select_head,
    top1,
    view_probabilities,
)

SMALL = ProbeFit((Head(3e-3, 0.1), Head(1e-3, 0.0)), depth=2, attention_heads=2, epochs=3, batch=4)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def marked(clips: int, seed: int, views: int = 1) -> ClipTokens:
    """Hide one of four marks in one token of each clip: its mean hardly moves, attention finds it."""
    labels = torch.arange(clips) % 4
    tokens = noise(clips, views, 8, 16, seed=seed)
    place = torch.randint(8, (clips,), generator=torch.Generator().manual_seed(seed + 1))
    tokens[torch.arange(clips), :, place] += 6 * torch.eye(16)[labels][:, None]
    return ClipTokens(tokens, labels)


def test_the_released_grids():
    assert len(VIDEO_HEADS) == len(ACTION_HEADS) == 20 and len(MULTILEVEL_HEADS) == 3
    assert {head.decay for head in VIDEO_HEADS} == {0.01, 0.1, 0.4, 0.8}
    assert {head.decay for head in ACTION_HEADS} == {1e-4, 1e-3, 1e-2, 1e-1}
    assert {head.rate for head in VIDEO_HEADS} == {head.rate for head in ACTION_HEADS} == {5e-3, 3e-3, 1e-3, 3e-4, 1e-4}
    assert grid((1, 2), (3,)) == (Head(1, 3), Head(2, 3))


def test_each_head_is_trained_as_it_would_be_alone():
    """The same training written out for one probe: AdamW with decay on every parameter, cosine to 0, no warm-up."""
    train = marked(10, seed=0, views=3)
    found = fit_heads(train, 4, SMALL)
    generator = torch.Generator().manual_seed(SMALL.seed)
    probes = [AttentiveProbe(16, 2, 2, 4, generator) for _ in SMALL.heads]
    batches = list(clip_batches((10, 3), SMALL, generator))
    assert len(batches) == 9  # three epochs of 4 + 4 + 2 clips
    for probe, head, trained in zip(probes, SMALL.heads, found, strict=True):
        optimiser = torch.optim.AdamW(probe.parameters(), weight_decay=head.decay)
        for step, (clips, views) in enumerate(batches):
            optimiser.param_groups[0]["lr"] = head.rate * (1 + math.cos(math.pi * step / 9)) / 2
            optimiser.zero_grad()
            F.cross_entropy(probe(train.tokens[clips, views]), train.labels[clips]).backward()
            optimiser.step()
        for name, value in probe.state_dict().items():
            torch.testing.assert_close(trained.state_dict()[name], value, atol=1e-6, rtol=1e-4, msg=name)


def test_every_clip_comes_once_an_epoch_with_views_at_random():
    batches = list(clip_batches((10, 3), SMALL, torch.Generator().manual_seed(0)))
    epochs = [torch.cat([clips for clips, _ in batches[i : i + 3]]) for i in (0, 3, 6)]
    assert all(sorted(epoch.tolist()) == list(range(10)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert set(torch.cat([views for _, views in batches]).tolist()) == {0, 1, 2}


def test_what_lies_in_one_token_is_found():
    fit = ProbeFit(grid((3e-3, 1e-6), (0.01,)), depth=1, attention_heads=2, epochs=20, batch=32)
    sets = marked(400, 1), marked(100, 2), marked(200, 3)
    selection = select_head(fit_heads(sets[0], 4, fit), fit, *sets[1:])
    assert selection.score > 0.75 and selection.chosen == 0  # a rate of 1e-6 learns nothing
    assert selection.test[1] < 0.6 and selection.median == pytest.approx(sum(selection.test) / 2)


def test_the_seed_decides_and_nothing_else_does():
    train = marked(12, seed=0)
    one, two, other = (fit_heads(train, 4, ProbeFit(SMALL.heads, 1, 2, 1, 4, seed)) for seed in (5, 5, 6))
    state = [probes[0].state_dict()["linear.weight"] for probes in (one, two, other)]
    assert torch.equal(state[0], state[1]) and not torch.equal(state[0], state[2])
    assert not one[0].training


def test_three_queries_with_a_loss_that_is_given():
    labels = torch.stack([torch.arange(12) % 2, torch.arange(12) % 3, torch.arange(12) % 4], dim=1)
    seen: list[ActionLogits] = []

    def loss(logits: ActionLogits, labels: Tensor) -> Tensor:
        seen.append(logits)
        return sum(F.cross_entropy(part, labels[:, i]) for i, part in enumerate(logits))

    train = ClipTokens(marked(12, seed=0).tokens, labels)
    probes = fit_heads(train, (2, 3, 4), SMALL, loss)
    assert len(seen) == 2 * 9 and isinstance(seen[0], ActionLogits)
    found = view_probabilities(probes[0], train.tokens)
    assert [tuple(part.shape) for part in found] == [(12, 2), (12, 3), (12, 4)]
    assert ((found.verb > 0) & (found.verb < 1)).all()
    expected = probes[0](train.tokens[:, 0])
    torch.testing.assert_close(found.noun, expected.noun.sigmoid().detach())


def test_views_are_averaged_as_probabilities():
    probe = AttentiveProbe(16, 2, 1, 4, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        probe.linear.weight *= 1000  # so that a mean of logits would say something else
    tokens = noise(5, 3, 8, 16)
    with torch.no_grad():
        each = torch.stack([probe(tokens[:, i]) for i in range(3)])
    found = view_probabilities(probe, tokens, batch=2)
    torch.testing.assert_close(found, each.softmax(-1).mean(0))
    assert (found - each.mean(0).softmax(-1)).abs().max() > 0.01


def test_a_selection_says_what_it_is():
    heads = grid((1.0, 2.0, 3.0), (0.5,))
    selection = Selection(heads, (0.2, 0.9, 0.9), (1.0, 0.7, 0.8), (50, 1000))
    assert selection.chosen == 1 and selection.score == 0.7 and selection.median == 0.8
    assert selection.interval == wilson(700, 1000)
    assert "best of 3 heads on 50 validation clips" in selection.text() and "median head 0.800" in selection.text()
    same = Selection(heads, (1.0, 0.7, 0.8), (1.0, 0.7, 0.8), (1000, 1000))
    assert "on these same clips, so the score is too high" in same.text()


def test_a_score_of_any_kind_can_choose():
    fit = ProbeFit(SMALL.heads, 1, 2, 1, 8)
    train = marked(16, seed=0)
    probes = fit_heads(train, 4, fit)
    calls = iter([0.1, 0.3, 0.8, 0.6])
    selection = select_head(probes, fit, train, train, score=lambda found, labels: next(calls))
    assert selection.validation == (0.1, 0.3) and selection.score == 0.6
    assert top1(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 0.75


@pytest.mark.parametrize(
    "labels, classes, heads",
    [
        (torch.zeros(12, dtype=torch.int64), 4, ()),
        (torch.zeros(12, 3, dtype=torch.int64), 4, SMALL.heads),
        (torch.zeros(12, dtype=torch.int64), (2, 3, 4), SMALL.heads),
        (torch.arange(12), 4, SMALL.heads),
        (-torch.ones(12, dtype=torch.int64), 4, SMALL.heads),
        (torch.tensor([[0, 2, 4]] * 12), (2, 3, 4), SMALL.heads),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, classes, heads):
    train = ClipTokens(marked(12, seed=0).tokens, labels)
    with pytest.raises(ValueError, match="fit_heads: expected .* got"):
        fit_heads(train, classes, ProbeFit(heads))
