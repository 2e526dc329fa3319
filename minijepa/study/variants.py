"""Take the V-JEPA objective apart: each part that prevents collapse can be left out, or replaced by a regulariser.

A variant is used like any objective: ``pretrain(config, Variant(targets="student", stop_gradient=False))``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from minijepa.model.encoder import VideoEncoder, gather_tokens
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import Masks
from minijepa.train.objective import masked_l1
from minijepa.train.regularise import sigreg, variance_covariance


@dataclass(frozen=True)
class Variant:
    """Describe a latent-prediction loss part by part; as it stands it is ``objective.latent_loss``."""

    targets: Literal["teacher", "student"] = "teacher"  # whose latents are predicted: the EMA copy's or one's own
    stop_gradient: bool = True  # False: the targets are trained too, so they may come to meet the predictions
    layer_norm: bool = True  # normalise the targets once more; False: they may shrink
    predictor: bool = True  # False: every hidden token is predicted by the mean of the visible ones
    regulariser: Literal["none", "variance_covariance", "sigreg"] = "none"  # on the student's view of the whole clip
    weight: float = 1.0  # of the regulariser beside the prediction error
    samples: Literal["tokens", "clips"] = "tokens"  # what the regulariser keeps apart: all tokens, or their means
    directions: int = 64  # random projections of SIGReg at each step

    def __post_init__(self) -> None:
        if self.targets == "teacher" and not self.stop_gradient:
            raise ValueError(
                "Variant: expected stop_gradient=True with targets='teacher', got False; the teacher is an average of "
                "past encoders and cannot be trained. Use targets='student' to train the targets"
            )

    def __call__(
        self,
        encoder: VideoEncoder,
        predictor: MaskedPredictor,
        teacher: VideoEncoder,
        video: Float[Tensor, "b c f H W"],
        masks: Sequence[Masks],
    ) -> Float[Tensor, ""]:
        """Return the loss of one batch; without a predictor its weights get no gradient (one process only)."""
        with torch.set_grad_enabled(not self.stop_gradient and torch.is_grad_enabled()):
            tokens = (teacher if self.targets == "teacher" else encoder)(video)
        targets = F.layer_norm(tokens, tokens.shape[-1:]) if self.layer_norm else tokens
        if self.predictor:
            loss = masked_l1(encoder, predictor, targets, video, masks)
        else:
            loss = mean_token_l1(encoder, targets, video, masks)
        if self.regulariser == "none":
            return loss
        return loss + self.weight * self.penalty(encoder(video) if self.stop_gradient else tokens, video)

    def penalty(self, tokens: Float[Tensor, "b n d"], video: Tensor) -> Float[Tensor, ""]:
        """Return the regulariser of a batch: SIGReg a sample, or VICReg's two terms in their published ratio of 25 to 1."""
        features = tokens.mean(1) if self.samples == "clips" else tokens.flatten(0, 1)
        if self.regulariser == "sigreg":
            return sigreg(features, generator_of(video), self.directions) / len(features)
        variance, covariance = variance_covariance(features)
        return variance + covariance / 25


def mean_token_l1(
    encoder: VideoEncoder, targets: Float[Tensor, "b n d"], video: Float[Tensor, "b c f H W"], masks: Sequence[Masks]
) -> Float[Tensor, ""]:
    """Return mean |mean visible token - target| over hidden tokens, averaged over masks: a loss without predictor."""
    losses = []
    for mask in masks:
        hidden = gather_tokens(targets, mask.targets)
        guess = encoder(video, mask.context).mean(1, keepdim=True).expand_as(hidden)
        losses.append(F.l1_loss(guess, hidden))
    return torch.stack(losses).mean()


def generator_of(video: Float[Tensor, "b c f H W"]) -> torch.Generator:
    """Seed a generator from the bits of a batch: new at every step, and the same again when a run is resumed."""
    bits = video.detach().float().contiguous().view(torch.int32)
    return torch.Generator().manual_seed(int(bits.sum(dtype=torch.int64)) % 2**32)
