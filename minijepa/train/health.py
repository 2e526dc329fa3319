"""Is it collapsing? The loss cannot tell, so look at the features.

A JEPA loss falls to zero when every clip gets the same latent, and may rise while features get better, because
the targets get richer. These numbers tell the two apart.
"""

import torch
from jaxtyping import Float
from torch import Tensor

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


def nearest_clips(features: Float[Tensor, "clips d"], queries: Float[Tensor, "q d"], count: int) -> Tensor:
    """Return the indices (q, count) of the clips whose centred features have the highest cosine with each query."""
    mean = features.mean(0)
    unit = torch.nn.functional.normalize(features - mean, dim=1)
    return (torch.nn.functional.normalize(queries - mean, dim=1) @ unit.T).topk(count, dim=1).indices


@torch.no_grad()
def health(encoder: VideoEncoder, video: Float[Tensor, "b c f H W"]) -> dict[str, float]:
    """Return feature_std and effective_rank of the mean-pooled features of a batch, for the metrics of a run."""
    features = encoder(video).mean(1)
    return {"feature_std": feature_std(features), "effective_rank": effective_rank(features)}
