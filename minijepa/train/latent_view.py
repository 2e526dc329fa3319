"""How frozen tokens become the latents in which an action model predicts and a planner measures.

The released model takes the layer-normed tokens as they are. A small model needs more: "standardised" takes out what each
place always shows, "inverse" and "projected" keep only what actions change.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.data.video_files import seeded
from minijepa.train.regularise import variance_covariance
from minijepa.train.transitions import Transitions

RIDGE = 0.1  # penalty of the solved projector, as a share of the number of pairs
PROJECTOR_STREAM = 2  # keeps its draws apart from those of the predictor of the same seed


@dataclass(frozen=True)
class ViewConfig:
    """Choose the latents by name, and how a projector is trained."""

    form: Literal["released", "standardised", "inverse", "projected"] = "released"  # "inverse": solved, not trained
    width: int = 4  # of the projected latent; more channels keep more of what actions do not move
    steps: int = 500  # optimiser steps of the projector
    batch: int = 256  # pairs of frames a step
    gap: int = 4  # most actions between the two frames of a pair
    rate: float = 1e-3  # learning rate at the start, falling to 0 in a line
    variance: float = 0.02  # weight of the variance term beside the inverse dynamics
    covariance: float = 0.001  # weight of the covariance term


class LatentView(nn.Module):
    """Turn the layer-normed tokens of a frame, (…, n, d), into latents: the tokens, or one vector of the frame."""

    def __init__(self, config: ViewConfig, tokens: int, width: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(tokens, width))  # of each place and channel
        self.register_buffer("scale", torch.ones(width))  # of each channel, over all places
        projects = config.form in ("inverse", "projected")
        self.projector = nn.Linear(tokens * width, config.width) if projects else None

    @property
    def width(self) -> int:
        """Give the channels of a latent."""
        return self.config.width if self.projector else len(self.scale)

    def forward(self, tokens: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m k"]:
        """Return the latents: m = n tokens, or m = 1 where they are projected."""
        if self.config.form == "released":
            return tokens
        standard = (tokens - self.mean) / self.scale
        return self.projector(standard.flatten(-2))[..., None, :] if self.projector else standard

    def finish(self, predicted: Float[Tensor, "*b m k"]) -> Float[Tensor, "*b m k"]:
        """Return a prediction as a latent: layer-normed in the released form, as it is in the others."""
        return F.layer_norm(predicted, predicted.shape[-1:]) if self.config.form == "released" else predicted


def fit_view(config: ViewConfig, tokens: Transitions, seed: int) -> LatentView:
    """Build a view and fit it to encoded episodes; the encoder is not touched, and states are not looked at."""
    n, d = tokens.latents.shape[2:]
    if config.form == "inverse":
        config = replace(config, width=tokens.actions.shape[2])
    view = LatentView(config, n, d)
    with torch.no_grad():
        flat = tokens.latents.flatten(0, 1)
        view.mean.copy_(flat.mean(0))
        view.scale.copy_((flat - view.mean).square().mean((0, 1)).sqrt().clamp(min=1e-6))
    if config.form == "inverse":
        solve_projector(view, tokens)
    if config.form == "projected":
        train_projector(view, tokens, seeded(seed, 0, PROJECTOR_STREAM))
    return view.requires_grad_(False).eval()


@torch.no_grad()
def solve_projector(view: LatentView, tokens: Transitions) -> None:
    """Solve linear inverse dynamics: W = argmin of sum |W (x_j - x_i) - (actions from i to j)|^2 + ridge |W|^2.

    x are the standardised tokens of a frame, and i, j its frames up to ``gap`` actions apart. W x has a channel for each
    channel of an action, and is scaled to unit variance. A texture that stays in an episode cancels in x_j - x_i; what
    moves on its own is noise that W learns to ignore. Two channels that carry the action can't collapse, so no variance
    term is needed.
    """
    x = ((tokens.latents - view.mean) / view.scale).flatten(2)
    total = F.pad(tokens.actions.cumsum(1), (0, 0, 1, 0))
    gram, cross, pairs = torch.zeros(x.shape[2], x.shape[2]), torch.zeros(x.shape[2], total.shape[2]), 0
    for gap in range(1, min(view.config.gap, x.shape[1] - 1) + 1):
        change = (x[:, gap:] - x[:, :-gap]).flatten(0, 1)
        gram += change.T @ change
        cross += change.T @ (total[:, gap:] - total[:, :-gap]).flatten(0, 1)
        pairs += len(change)
    weight = torch.linalg.solve(gram + RIDGE * pairs * torch.eye(len(gram)), cross)
    view.projector.weight.copy_((weight / (x.flatten(0, 1) @ weight).std(0)).T)
    view.projector.bias.zero_()


def train_projector(view: LatentView, tokens: Transitions, generator: torch.Generator) -> None:
    """Train the projector: the actions between two frames must be readable from their two latents.

    loss = mean |head(p_i, p_j) - sum of the actions from i to j| + variance and covariance terms of the latents
    (VICReg's, see ``train.regularise``). What actions do not move, texture and distractors, does not help and is dropped.
    """
    config, width = view.config, view.config.width
    head = nn.Sequential(nn.Linear(2 * width, 64), nn.GELU(), nn.Linear(64, tokens.actions.shape[2]))
    for layer in (view.projector, head[0], head[2]):
        nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        nn.init.zeros_(layer.bias)
    optimiser = torch.optim.AdamW([*view.projector.parameters(), *head.parameters()], config.rate, weight_decay=0.05)
    for step in range(config.steps):
        pairs = draw_pairs(tokens, config, generator)
        one, two = view(pairs.first)[:, 0], view(pairs.second)[:, 0]
        error = (head(torch.cat((one, two), 1)) - pairs.moved / tokens.actions.std()).abs().mean()
        kept = variance_covariance(torch.cat((one, two)))
        loss = error + config.variance * kept.variance + config.covariance * kept.covariance
        optimiser.param_groups[0]["lr"] = config.rate * (1 - step / config.steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


class Pairs(NamedTuple):
    """Hold two frames of an episode each, and the sum of the actions between them."""

    first: Float[Tensor, "b n d"]
    second: Float[Tensor, "b n d"]
    moved: Float[Tensor, "b action"]


def draw_pairs(tokens: Transitions, config: ViewConfig, generator: torch.Generator) -> Pairs:
    """Draw frames at most ``gap`` actions apart."""
    count, frames = tokens.latents.shape[:2]
    rows = torch.randint(count, (config.batch,), generator=generator)
    gap = torch.randint(1, min(config.gap, frames - 1) + 1, (config.batch,), generator=generator)
    first = (torch.rand(config.batch, generator=generator) * (frames - gap)).long()
    total = F.pad(tokens.actions[rows].cumsum(1), (0, 0, 1, 0))  # of all actions before each frame
    place = torch.arange(config.batch)
    moved = total[place, first + gap] - total[place, first]
    return Pairs(tokens.latents[rows, first], tokens.latents[rows, first + gap], moved)
