"""Graders of chapter 08: an interval, neighbours, and a probe that does not peek."""

import math
from collections.abc import Callable

import torch

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.intervals import Z95, wilson
from minijepa.train.fit_probe import LabelledFeatures
from minijepa.train.health import nearest_clips


@grader
def interval(fn: Callable) -> str:
    """Check a function (hits, n) -> (low, high), the Wilson interval."""
    for hits, n in ((80, 100), (0, 20), (1980, 2000)):
        answer = fn(hits, n)
        require(answer is not None, "the interval is None: is there a return statement?")
        require(len(answer) == 2, f"expected two numbers, got {len(answer)}.")
        low, high = (float(x) for x in answer)
        require(math.isfinite(low) and math.isfinite(high), f"{hits} of {n} gives NaN or infinity.")
        rate, half = hits / n, Z95 * math.sqrt(hits / n * (1 - hits / n) / n)
        plain = abs(low - (rate - half)) + abs(high - (rate + half)) < 1e-3
        require(not plain, f"that is rate ± 1.96 standard errors; {hits} of {n} shows why Wilson's is used.")
        require(low <= rate <= high, f"{hits} of {n}: the rate {rate:.2f} should lie between {low:.3f} and {high:.3f}.")
        want = wilson(hits, n)
        off = max(abs(low - want[0]), abs(high - want[1]))
        require(off < 2e-3, f"{hits} of {n}: expected {want[0]:.3f} to {want[1]:.3f}, got {low:.3f} to {high:.3f}.")
    return "inside 0 and 1, and honest when there are no hits at all."


@grader
def neighbours(fn: Callable) -> str:
    """Check a function (features (clips, d), queries (q, d), count) -> (q, count) indices, best first."""
    generator = torch.Generator().manual_seed(8)
    features = torch.randn(50, 6, generator=generator) * torch.rand(50, 1, generator=generator) * 3 + 4  # a shared offset
    queries = torch.randn(5, 6, generator=generator) + 4
    answer = require_tensor(fn(features, queries, 4), (5, 4), "the indices").long()
    mean = features.mean(0)
    f, q = features - mean, queries - mean
    unit = torch.nn.functional.normalize
    wrong = {
        "you did not subtract the mean feature: a shared offset makes all clips look alike.": unit(queries) @ unit(features).T,
        "those are dot products: divide by the lengths, or long vectors win everywhere.": q @ f.T,
        "those are the farthest clips: take the largest cosine.": -(unit(q) @ unit(f).T),
        "those are the nearest by distance; cosine similarity is wanted.": -torch.cdist(q, f),
    }
    want = nearest_clips(features, queries, 4)
    for diagnosis, scores in wrong.items():
        require(not close(answer, scores.topk(4, dim=1).indices) or close(answer, want), diagnosis)
    require(not close(answer, want.flip(1)), "the right clips in the wrong order: best first.")
    require(close(answer, want), "expected the clips whose centred features have the highest cosine with the query.")
    return "near means: the same way out from the mean clip."


@grader
def probe(fn: Callable) -> str:
    """Check a function (train, validation, test) -> accuracy that neither peeks nor guesses."""
    generator = torch.Generator().manual_seed(88)
    honest = float(fn(*problem(generator, signal=True)))
    require(math.isfinite(honest), "the accuracy is NaN or infinite.")
    require(0 <= honest <= 1, f"an accuracy lies between 0 and 1, yours is {honest:.2f}.")
    require(honest > 0.8, f"these features hold the label and your probe reads {honest:.2f} of it: did you standardise them?")
    noise = float(fn(*problem(generator, signal=False)))
    require(noise < 0.45, f"{noise:.2f} on labels that are pure chance (1/3): your probe has seen the answers of the test.")
    return f"{honest:.2f} where there is something to read, {noise:.2f} where there is nothing (chance 0.33)."


def problem(generator: torch.Generator, signal: bool) -> list[LabelledFeatures]:
    """Make three splits of 300 clips with 40 features of very different sizes; labels are of three classes."""
    classes = torch.randn(3, 40, generator=generator)
    sizes = torch.logspace(-3, 2, 40)[torch.randperm(40, generator=generator)]
    splits = []
    for _ in range(3):
        labels = torch.randint(3, (300,), generator=generator)
        shift = classes[labels] if signal else 0.0
        splits.append(LabelledFeatures((shift + torch.randn(300, 40, generator=generator)) * sizes, labels))
    return splits
