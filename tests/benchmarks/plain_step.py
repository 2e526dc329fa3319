"""One pretraining step as released, in plain words: see `plain_model.py` for the networks.

The order is that of the released trainer: targets from the slow copy on the whole clip, one pass of encoder and predictor for
each mask, L1, backward, AdamW, then the slow copy follows. float32, no scaler, no checkpointing.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.plain_model import Grid, PlainEncoder, PlainPredictor, pick

PlainMasks = list[tuple[Tensor, Tensor]]  # for each mask type: context ids (b, k), target ids (b, m)


class PlainStep:
    """Hold two networks, the slow copy of the first and the optimiser, and take steps."""

    def __init__(self, encoder: PlainEncoder, predictor: PlainPredictor, weight_decay: float = 0.04) -> None:
        self.encoder, self.predictor = encoder, predictor
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        named = [*encoder.named_parameters(), *predictor.named_parameters()]
        groups = [
            {"params": [p for name, p in named if p.ndim != 1 and "bias" not in name]},
            {"params": [p for name, p in named if p.ndim == 1 or "bias" in name], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)

    def loss(self, video: Tensor, masks: PlainMasks) -> Tensor:
        with torch.no_grad():
            full = self.teacher(video)
            full = F.layer_norm(full, (full.shape[-1],))
        loss = 0.0
        for context_ids, target_ids in masks:
            context = self.encoder(video, context_ids)
            predicted = self.predictor(context, context_ids, target_ids, mask_token=0)
            loss = loss + torch.mean(torch.abs(predicted - pick(full, target_ids)) ** 1.0) / 1.0
        return loss / len(masks)

    def step(self, video: Tensor, masks: PlainMasks, rate: float, momentum: float) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self.loss(video, masks)
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        with torch.no_grad():
            slow = list(self.teacher.parameters())
            torch._foreach_mul_(slow, momentum)
            torch._foreach_add_(slow, list(self.encoder.parameters()), alpha=1 - momentum)
        return loss.detach()


def plain_step(encoder: nn.Module, predictor: nn.Module, grid: Grid) -> PlainStep:
    """Give a plain step that starts from the weights of our networks."""
    plain = PlainEncoder(encoder.config), PlainPredictor(predictor.config, grid)
    for ours, theirs in zip((encoder, predictor), plain, strict=True):
        theirs.load_state_dict(ours.state_dict())
    return PlainStep(*plain)
