"""The recipe of V-JEPA 2.1 beside that of V-JEPA 2: predict several depths of the teacher, and visible tokens too.

Implements the loss of ``app/vjepa_2_1/train.py`` of facebookresearch/vjepa2 (arXiv 2603.14482).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from minijepa.model.encoder import VideoEncoder, gather_tokens
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.rope import token_positions
from minijepa.train.masks import Grid, Masks


@dataclass(frozen=True)
class Dense:
    """Describe the loss; use it like ``objective.latent_loss``, with a predictor ``len(layers)`` times as wide at its end.

    Differs: the official predictor reads all depths of the student and predicts visible tokens from their own context
    tokens, through a second projection; here it reads the last depth and asks by a query, as for hidden tokens. The
    official weight of visible tokens grows from 0 in the first part of the run.
    """

    layers: tuple[int, ...] = (0, 1, 2)  # blocks of the teacher whose tokens are targets, each layer-normed by itself
    visible: float = 0.5  # weight of the error on visible tokens; 0: hidden tokens alone

    def __call__(
        self,
        encoder: VideoEncoder,
        predictor: MaskedPredictor,
        teacher: VideoEncoder,
        video: Float[Tensor, "b c f H W"],
        masks: Sequence[Masks],
    ) -> Float[Tensor, ""]:
        """Return the loss of one batch; raise ValueError unless the predictor gives a number for each target channel."""
        targets, grid = deep_targets(teacher, video, self.layers), encoder.grid(video)
        if predictor.predictor_proj.out_features != targets.shape[-1]:
            raise ValueError(
                f"Dense: expected a predictor with output_width={targets.shape[-1]}, {len(self.layers)} depths of the "
                f"teacher, got {predictor.predictor_proj.out_features}; set it in PredictorConfig"
            )
        losses = []
        for mask in masks:
            ids = torch.cat((mask.targets, mask.context), dim=1) if self.visible else mask.targets
            predictions = predictor(encoder(video, mask.context), mask.context, ids, grid)
            error = (predictions - gather_tokens(targets, ids)).abs().mean(-1)
            hidden, seen = error.tensor_split([mask.targets.shape[1]], dim=1)
            loss = hidden.mean()
            if self.visible:
                loss = loss + self.visible * (seen * nearness(mask, grid)).mean()
            losses.append(loss)
        return torch.stack(losses).mean()


@torch.no_grad()
def deep_targets(teacher: VideoEncoder, video: Float[Tensor, "b c f H W"], layers: Sequence[int]) -> Float[Tensor, "b n ld"]:
    """Return the teacher's tokens after several blocks, side by side, each depth layer-normed without scale or shift."""
    return torch.cat([F.layer_norm(tokens, tokens.shape[-1:]) for tokens in teacher.layers(video, layers)], dim=-1)


def nearness(mask: Masks, grid: Grid) -> Float[Tensor, "b k"]:
    """Weigh each visible token by 1 / sqrt(distance to the nearest hidden token), in steps of the grid (t, h, w)."""
    seen, hidden = (token_positions(ids, grid).movedim(0, -1).float() for ids in mask)
    return torch.cdist(seen, hidden).amin(-1).rsqrt()
