"""What is learnt: the latents that a slowly moving copy of the encoder gives to the hidden tokens.

Implements ``forward_target``, ``forward_context`` and ``loss_fn`` of facebookresearch/vjepa2
``app/vjepa/train.py``. The pixel twin (a masked autoencoder with the same masks and networks) stands beside it
for comparison.
"""

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.model.encoder import VideoEncoder, gather_tokens
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.masks import Masks

Objective = Callable[[VideoEncoder, MaskedPredictor, VideoEncoder, Tensor, Sequence[Masks]], Tensor]


@torch.no_grad()
def latent_targets(teacher: VideoEncoder, video: Float[Tensor, "b c f H W"]) -> Float[Tensor, "b n d"]:
    """Return the teacher's view of the whole clip, layer-normed once more without scale or shift.

    The second norm (eps 1e-5) keeps the targets at unit variance per token, so that the teacher cannot make the
    task easier by shrinking.
    """
    tokens = teacher(video)
    return F.layer_norm(tokens, tokens.shape[-1:])


def pixel_targets(video: Float[Tensor, "b c f H W"], tubelet: int, patch: int) -> Float[Tensor, "b n p"]:
    """Return the pixels of every tubelet, standardised within the tubelet as masked autoencoders do."""
    cut = rearrange(video, "b c (t u) (h p) (w q) -> b (t h w) (c u p q)", u=tubelet, p=patch, q=patch)
    return F.layer_norm(cut, cut.shape[-1:])


def predict_hidden(
    encoder: VideoEncoder, predictor: MaskedPredictor, video: Float[Tensor, "b c f H W"], masks: Masks
) -> Float[Tensor, "b m d"]:
    """Encode the context alone and predict the targets from it."""
    context = encoder(video, masks.context)
    return predictor(context, masks.context, masks.targets, encoder.grid(video))


def masked_l1(
    encoder: VideoEncoder,
    predictor: MaskedPredictor,
    targets: Float[Tensor, "b n d"],
    video: Float[Tensor, "b c f H W"],
    masks: Sequence[Masks],
) -> Float[Tensor, ""]:
    """Return mean |prediction - target| over hidden tokens and channels, averaged over the masks of a step."""
    losses = [
        F.l1_loss(predict_hidden(encoder, predictor, video, mask), gather_tokens(targets, mask.targets)) for mask in masks
    ]
    return torch.stack(losses).mean()


def latent_loss(encoder, predictor, teacher, video, masks) -> Float[Tensor, ""]:
    """Return the V-JEPA loss: predict the teacher's latents of hidden tokens; no gradient enters the teacher."""
    return masked_l1(encoder, predictor, latent_targets(teacher, video), video, masks)


def pixel_loss(encoder, predictor, teacher, video, masks) -> Float[Tensor, ""]:
    """Return the loss of the pixel twin: predict the hidden pixels themselves; the teacher is not used.

    Raises ValueError unless the predictor gives as many numbers as a tubelet has.
    """
    targets = pixel_targets(video, encoder.config.tubelet, encoder.config.patch)
    if predictor.predictor_proj.out_features != targets.shape[-1]:
        raise ValueError(
            f"pixel_loss: expected a predictor with output_width={targets.shape[-1]}, the pixels of a tubelet, "
            f"got {predictor.predictor_proj.out_features}; set it in PredictorConfig"
        )
    return masked_l1(encoder, predictor, targets, video, masks)


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move every parameter of the teacher towards the student: teacher <- m teacher + (1 - m) student."""
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - momentum)
