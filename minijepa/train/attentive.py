"""Fit many attentive probes in one pass over frozen tokens, choose one on validation clips, and say that it was chosen.

Implements the training of facebookresearch/vjepa2 ``evals/video_classification_frozen`` and
``evals/action_anticipation_frozen`` on tokens that were computed once (``train.tokens``).

Differs: the official evaluations encode a fresh augmented clip in every epoch; here the views of a clip are fixed when its
tokens are, and each epoch takes one of them at random. The heads of a released table are compared on the set whose
score is printed, in every epoch; here they are compared once, after the last, on clips that the score does not see.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from minijepa.intervals import wilson
from minijepa.model.probe import ActionLogits, AttentiveProbe

Classes = int | tuple[int, int, int]
Logits = Tensor | ActionLogits
Loss = Callable[[Logits, Tensor], Tensor]  # logits and labels of a batch -> one number
Score = Callable[[Logits, Tensor], float]  # probabilities and labels of all clips -> share in 0..1


@dataclass(frozen=True)
class Head:
    """Say how one of the probes is trained."""

    rate: float | int = 1e-3  # learning rate at the first step; cosine to 0, no warm-up
    decay: float | int = 0.1  # AdamW weight decay on every parameter: biases, norms and queries too, as released


def grid(rates: Sequence[float | int], decays: Sequence[float | int]) -> tuple[Head, ...]:
    """Return a head for every pair of a rate and a decay."""
    return tuple(Head(rate, decay) for rate in rates for decay in decays)


RATES = (5e-3, 3e-3, 1e-3, 3e-4, 1e-4)
VIDEO_HEADS = grid(RATES, (0.01, 0.1, 0.4, 0.8))  # SSv2, K400, COIN: 20 epochs
MULTILEVEL_HEADS = grid((1e-3, 3e-4, 1e-4), (0.8,))  # Diving48, Jester, on the tokens of 4 layers: 100 epochs
ACTION_HEADS = grid(RATES, (1e-4, 1e-3, 1e-2, 1e-1))  # EPIC-KITCHENS-100: 20 epochs


class ClipTokens(NamedTuple):
    """Pair the frozen tokens of each view of each clip with its label; the tokens may lie in a memory-mapped file."""

    tokens: Float[Tensor, "clips views n d"]
    labels: Int[Tensor, "clips"] | Int[Tensor, "clips 3"]  # a class, or verb, noun and action


@dataclass(frozen=True)
class ProbeFit:
    """Describe the training of a set of probes; the default is the released one for Something-Something v2."""

    heads: tuple[Head, ...] = VIDEO_HEADS  # a probe each
    depth: int = 4  # of each probe; 1 is the cross-attention alone
    attention_heads: int = 16  # of each probe; small widths need fewer
    epochs: int = 20  # passes over the training clips
    batch: int = 256  # clips; released: 4 on each of 64 GPUs
    seed: int = 0  # of first weights, order of clips and choice of views
    quiet: bool = True  # no progress bar
    device: str = "cpu"  # where the probes are trained; the tokens are moved there batch by batch


class Selection(NamedTuple):
    """Report probes together with the fact that one of them was picked."""

    heads: tuple[Head, ...]
    validation: tuple[float, ...]  # score of each head on the clips that choose
    test: tuple[float, ...]  # score of each head on the clips that judge
    clips: tuple[int, int]  # validation and test clips

    @property
    def chosen(self) -> int:
        """Give the place of the head that is best on validation clips, the first of equals."""
        return max(range(len(self.heads)), key=lambda i: self.validation[i])

    @property
    def score(self) -> float:
        """Give the chosen head's score on test clips: the one figure to quote."""
        return self.test[self.chosen]

    @property
    def median(self) -> float:
        """Give the median test score of all heads: what a head does that nobody picked."""
        return statistics.median(self.test)

    @property
    def interval(self) -> tuple[float, float]:
        """Give the 95% Wilson interval of the chosen head's score, over test clips; right for top-1, not for class means."""
        return wilson(round(self.score * self.clips[1]), self.clips[1])

    def text(self) -> str:
        """Write the report as one line."""
        head, (low, high) = self.heads[self.chosen], self.interval
        where = f"{self.clips[0]:,} validation clips"
        where = "these same clips, so the score is too high" if self.validation == self.test else where
        return (
            f"{self.score:.3f} ({low:.3f} to {high:.3f}) on {self.clips[1]:,} test clips: best of {len(self.heads)} heads on "
            f"{where} (rate {head.rate:g}, decay {head.decay:g}); median head {self.median:.3f}"
        )


def fit_heads(train: ClipTokens, classes: Classes, fit: ProbeFit, loss: Loss = F.cross_entropy) -> list[AttentiveProbe]:
    """Train a probe for each head, all of them on every batch, so that the tokens are read once for all.

    train: frozen tokens; each epoch takes one random view a clip. classes: their count, or those of verbs, nouns and
    actions. loss: of logits and labels; three-query probes give ActionLogits.
    Returns the probes in the order of ``fit.heads``, in evaluation mode, on ``fit.device``.
    Raises ValueError for no clip, no head, or labels that are not below the number of classes.
    """
    require_labels(train, classes, fit)
    generator = torch.Generator().manual_seed(fit.seed)
    width = train.tokens.shape[-1]
    probes = [AttentiveProbe(width, fit.attention_heads, fit.depth, classes, generator).to(fit.device) for _ in fit.heads]
    groups = [
        {"params": list(probe.parameters()), "lr": head.rate, "weight_decay": head.decay}
        for probe, head in zip(probes, fit.heads, strict=True)
    ]
    optimiser = torch.optim.AdamW(groups, fused=True)
    batches = list(clip_batches(train.tokens.shape[:2], fit, generator))
    for step, (clips, views) in enumerate(tqdm(batches, disable=fit.quiet)):
        tokens, labels = train.tokens[clips, views].to(fit.device).float(), train.labels[clips].to(fit.device)
        for probe, group, head in zip(probes, optimiser.param_groups, fit.heads, strict=True):
            group["lr"] = head.rate * 0.5 * (1 + math.cos(math.pi * step / len(batches)))
            loss(probe(tokens), labels).backward()
        optimiser.step()
        optimiser.zero_grad()
    return [probe.eval() for probe in probes]


def clip_batches(shape: Sequence[int], fit: ProbeFit, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the clips of each batch and a random view of each; in an epoch every clip comes once."""
    clips, views = shape
    for _ in range(fit.epochs):
        order = torch.randperm(clips, generator=generator)
        for chosen in order.split(fit.batch):
            yield chosen, torch.randint(views, (len(chosen),), generator=generator)


@torch.no_grad()
def view_probabilities(probe: AttentiveProbe, tokens: Float[Tensor, "clips views n d"], batch: int = 64) -> Logits:
    """Return what a probe says of each clip, averaged over its views as probabilities, not as logits.

    One query gives softmax (clips, classes); three queries give sigmoids in the fields of ActionLogits, since the
    focal loss treats every class as its own yes or no. They are computed where the probe is, and come back to the CPU.
    """
    device = next(probe.parameters()).device
    single = isinstance(probe.config.classes, int)
    parts = []
    for part in tokens.split(batch):
        clips, views = part.shape[:2]
        logits = probe(part.flatten(0, 1).to(device).float())
        shares = [logits.softmax(-1)] if single else [query.sigmoid() for query in logits]
        parts.append([share.unflatten(0, (clips, views)).mean(1).cpu() for share in shares])
    joined = [torch.cat(query) for query in zip(*parts, strict=True)]
    return joined[0] if single else ActionLogits(*joined)


def top1(probabilities: Float[Tensor, "clips classes"], labels: Int[Tensor, "clips"]) -> float:
    """Return the share of clips whose most probable class is their label."""
    return int((probabilities.argmax(-1) == labels).sum()) / len(labels)


def select_head(
    probes: Sequence[AttentiveProbe], fit: ProbeFit, validation: ClipTokens, test: ClipTokens, score: Score = top1
) -> Selection:
    """Score every head on both sets of clips; ``Selection.score`` is the test score of the best on validation clips."""
    scores = [
        tuple(score(view_probabilities(probe, part.tokens), part.labels) for probe in probes) for part in (validation, test)
    ]
    return Selection(fit.heads, *scores, clips=(len(validation.labels), len(test.labels)))


def require_labels(train: ClipTokens, classes: Classes, fit: ProbeFit) -> None:
    """Raise ValueError unless there are clips and heads, and labels of the shape and the range of the classes."""
    shape = (len(train.tokens),) if isinstance(classes, int) else (len(train.tokens), 3)
    if not len(train.tokens) or not fit.heads or tuple(train.labels.shape) != shape:
        raise ValueError(
            f"fit_heads: expected at least one clip, one head and labels {shape}, got {len(train.tokens)} clips, "
            f"{len(fit.heads)} heads and labels {tuple(train.labels.shape)}; three-query labels are (clips, 3)"
        )
    counts = torch.tensor(classes)
    if train.labels.amin() < 0 or (train.labels.cpu() >= counts).any():
        raise ValueError(
            f"fit_heads: expected labels from 0 to below {classes}, got {int(train.labels.amin())} to "
            f"{train.labels.reshape(len(train.labels), -1).amax(0).tolist()}; were they numbered for other classes?"
        )
