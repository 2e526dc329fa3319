"""The same weights in transformers' VJEPA2Model and in ours: sizes, names, and weights that leave nothing at zero."""

import torch
from torch import Tensor
from transformers import VJEPA2Config, VJEPA2Model

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor

Tensors = dict[str, Tensor]


def transformers_config(encoder: EncoderConfig, predictor: PredictorConfig, crop: int) -> VJEPA2Config:
    """Say our sizes in transformers' words. It takes the patch grid from `crop`, whatever clip it is given."""
    return VJEPA2Config(
        patch_size=encoder.patch,
        crop_size=crop,
        tubelet_size=encoder.tubelet,
        hidden_size=encoder.width,
        num_attention_heads=encoder.heads,
        num_hidden_layers=encoder.depth,
        mlp_ratio=encoder.mlp_ratio,
        pred_hidden_size=predictor.width,
        pred_num_attention_heads=predictor.heads,
        pred_num_hidden_layers=predictor.depth,
        pred_num_mask_tokens=predictor.mask_tokens,
        attn_implementation="sdpa",
    )


@torch.no_grad()
def randomise(module: torch.nn.Module, seed: int) -> None:
    """Fill every parameter, biases and mask tokens included, at a scale that keeps the tokens near one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1:
            parameter.normal_(0, 0.1, generator=generator)
            parameter += 1.0 if "norm" in name and name.endswith("weight") else 0.0
        elif "mask_token" in name:
            parameter.normal_(0, 0.5, generator=generator)
        else:
            parameter.normal_(0, 1.2 * parameter[0].numel() ** -0.5, generator=generator)


def our_encoder_weights(theirs: Tensors) -> Tensors:
    """Rename the encoder's part of a VJEPA2Model: what is left after a strict load is nothing."""
    state = {key.removeprefix("encoder."): value for key, value in theirs.items() if key.startswith("encoder.")}
    renamed = {key.replace("embeddings.patch_embeddings.", "patch_embed."): value for key, value in state.items()}
    renamed = {key.replace("layernorm.", "norm."): value for key, value in renamed.items()}
    return join_attention({replace_start(key, "layer.", "blocks."): value for key, value in renamed.items()})


def our_predictor_weights(theirs: Tensors) -> Tensors:
    """Rename the predictor's part; its mask tokens lie in one tensor (number, 1, 1, width)."""
    state = {key.removeprefix("predictor."): value for key, value in theirs.items() if key.startswith("predictor.")}
    tokens = state.pop("embeddings.mask_tokens")
    renamed = {f"mask_tokens.{i}": token for i, token in enumerate(tokens)}
    for key, value in state.items():
        key = replace_start(key, "embeddings.predictor_embeddings.", "predictor_embed.")
        key = replace_start(key, "layernorm.", "predictor_norm.")
        key = replace_start(key, "proj.", "predictor_proj.")
        renamed[replace_start(key, "layer.", "predictor_blocks.")] = value
    return join_attention(renamed)


def replace_start(key: str, start: str, new: str) -> str:
    return new + key[len(start) :] if key.startswith(start) else key


def join_attention(state: Tensors) -> Tensors:
    """Turn query, key and value of each layer into the rows of one qkv."""
    joined = {}
    for key, value in state.items():
        block, _, part = key.partition(".attention.")
        if part.startswith("query."):
            kind = part.removeprefix("query.")
            parts = [state[f"{block}.attention.{name}.{kind}"] for name in ("query", "key", "value")]
            joined[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
        elif not part.startswith(("key.", "value.")):
            joined[f"{block}.attn.{part}" if part else key] = value
    return joined


def pair(
    encoder: EncoderConfig, predictor: PredictorConfig, crop: int, seed: int = 0
) -> tuple[VJEPA2Model, VideoEncoder, MaskedPredictor]:
    """Build transformers' model and ours with the same random weights, in evaluation mode."""
    with torch.device("meta"):
        theirs = VJEPA2Model(transformers_config(encoder, predictor, crop)).eval()
        ours = VideoEncoder(encoder), MaskedPredictor(predictor)
    randomise(theirs.to_empty(device="cpu"), seed)
    state = theirs.state_dict()
    ours[0].load_state_dict(our_encoder_weights(state), assign=True)
    ours[1].load_state_dict(our_predictor_weights(state), assign=True)
    return theirs, ours[0].eval(), ours[1].eval()
