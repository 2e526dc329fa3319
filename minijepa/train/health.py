"""Is it collapsing? The loss cannot tell, so look at the features.

A JEPA loss falls to zero when every clip gets the same latent, and may rise while features get better, because
the targets get richer. These numbers tell the two apart.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from minijepa.model.encoder import VideoEncoder


def feature_std(features: Float[Tensor, "clips d"]) -> float:
    """Return the standard deviation over clips, averaged over channels; 0 means every clip looks the same."""
    return features.std(0).mean().item()


def effective_rank(features: Float[Tensor, "clips d"]) -> float:
    """Return exp of the entropy of the normalised singular values: how many directions are really used.

    RankMe (Garrido et al. 2023) on centred features, so a shared offset does not count. Between 1 and min(clips, d).
    """
    singular = torch.linalg.svdvals(features - features.mean(0))
    share = singular / singular.sum().clamp_min(1e-12)
    return torch.exp(torch.special.entr(share).sum()).item()


def constant_loss(targets: Float[Tensor, "b n d"]) -> float:
    """Return the L1 loss of the best constant prediction: the median of each channel over all tokens.

    A JEPA loss means little alone, because the targets move; divided by this number it says how much better the
    predictor does than one that never looks at the clip. 1: it has learnt nothing.
    """
    flat = targets.flatten(0, 1)
    return (flat - flat.median(0).values).abs().mean().item()


def nearest_clips(features: Float[Tensor, "clips d"], queries: Float[Tensor, "q d"], count: int) -> Int[Tensor, "q count"]:
    """Return the indices of the clips whose centred features have the highest cosine with each query, best first."""
    if not 1 <= count <= len(features):
        raise ValueError(f"nearest_clips: expected 1 to {len(features)} neighbours among that many clips, got {count}")
    mean = features.mean(0)
    return (F.normalize(queries - mean, dim=1) @ F.normalize(features - mean, dim=1).T).topk(count, dim=1).indices


def neighbour_agreement(features: Float[Tensor, "clips d"], labels: Int[Tensor, "clips"], count: int = 5) -> float:
    """Return how often one of the ``count`` nearest other clips has the label of a clip; nothing is fitted.

    Chance is the sum of the squared shares of the labels, 1/8 for eight directions.
    """
    nearest = nearest_clips(features, features, count + 1)
    itself = torch.arange(len(features), device=nearest.device)[:, None]
    # among identical features a clip need not be its own first neighbour
    order = (nearest == itself).int().sort(dim=1, stable=True).indices[:, :count]
    return (labels[nearest.gather(1, order)] == labels[:, None]).float().mean().item()


@torch.no_grad()
def health(encoder: VideoEncoder, video: Float[Tensor, "b c f H W"]) -> dict[str, float]:
    """Return what the metrics of a run say about its teacher on a batch of clips.

    feature_std and effective_rank of the mean-pooled tokens, and constant_loss of the layer-normed tokens, against
    which a latent loss is to be read.
    """
    tokens = encoder(video).float()
    pooled = tokens.mean(1)
    return {
        "feature_std": feature_std(pooled),
        "effective_rank": effective_rank(pooled),
        "constant_loss": constant_loss(F.layer_norm(tokens, tokens.shape[-1:])),
    }
