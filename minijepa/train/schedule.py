"""How fast to learn at each step: warm-up, constant, decay; and how slowly the teacher follows."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LearningRate:
    """Describe a warm-up-constant-decay schedule; the default is the released ViT-L to ViT-g pretraining."""

    start: float = 1e-4  # at step 0
    peak: float = 5.25e-4  # after the warm-up
    final: float = 1e-6  # at the last step of the decay
    warmup: int = 12_000  # steps, linear
    decay: int = 0  # last steps, linear; 12,000 in the released cooldown
    horizon: float = 1.0  # 1.25 in the released cooldown: the decay is planned 1.25 times as long as the run lasts

    def at(self, step: int, steps: int) -> float:
        """Return the rate of 0-based ``step`` in a run of ``steps``.

        With the released cooldown, LearningRate(warmup=0, decay=12_000, horizon=1.25) in 12,000 steps, the last
        rate is 1.058e-4 and not ``final``; the paper says 1e-6.

        Differs: the official scheduler moves before the first step, so its warm-up is one step ahead of ours.
        """
        if step < self.warmup:
            return self.start + (self.peak - self.start) * step / self.warmup
        into = step + 1 - (steps - self.decay)  # steps of the decay, this one included
        if into > 0:
            return self.peak + (self.final - self.peak) * into / (self.decay * self.horizon)
        return self.peak


@dataclass(frozen=True)
class Optimisation:
    """Describe how the weights are moved; the default is the released primary phase."""

    steps: int = 240_000  # optimiser steps in all; the released cooldown adds 12,000
    rate: LearningRate = LearningRate()  # per step
    weight_decay: float = 0.04  # on tensors of two and more axes; biases and norms have none
    betas: tuple[float, float] = (0.9, 0.999)  # AdamW
    clip: float | None = None  # largest gradient norm; the released run does not clip
    momentum: tuple[float, float] = (0.99925, 0.99925)  # of the EMA teacher, first to last step, linear
    bf16: bool = False  # autocast; the released runs do, laptops gain nothing from it
    recompute: bool = False  # gradient checkpointing: less memory, a second forward

    def momentum_at(self, step: int) -> float:
        """Return the momentum of the teacher at 0-based ``step``."""
        start, end = self.momentum
        return start + (end - start) * step / max(1, self.steps - 1)


def adamw(modules: list[nn.Module], config: Optimisation) -> torch.optim.AdamW:
    """Build AdamW with the released parameter groups: no decay on biases and one-axis tensors."""
    named = [(name, p) for module in modules for name, p in module.named_parameters() if p.requires_grad]
    plain = [p for name, p in named if p.ndim == 1 or "bias" in name]
    decayed = [p for name, p in named if not (p.ndim == 1 or "bias" in name)]
    groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        groups, lr=config.rate.peak, betas=config.betas, eps=1e-8, weight_decay=config.weight_decay, fused=True
    )
