"""Names in files and names in our networks: the original ``.pt`` files, and the folders of transformers.

Our parameters have the official names, so an original file needs no more than its prefixes stripped. transformers renamed
them and the sizes, and cut each fused projection into pieces, which have to be joined again.
"""

import torch

from minijepa.config import EncoderConfig, Part, PredictorConfig
from minijepa.model.checkpoint_files import CheckpointError, State

# in config.json: the field of our config
ENCODER_SIZES = {"hidden_size": "width", "num_hidden_layers": "depth", "num_attention_heads": "heads"}
ENCODER_SIZES |= {"mlp_ratio": "mlp_ratio", "patch_size": "patch", "tubelet_size": "tubelet"}
PREDICTOR_SIZES = {"hidden_size": "encoder_width", "pred_hidden_size": "width", "pred_num_hidden_layers": "depth"}
PREDICTOR_SIZES |= {"pred_num_attention_heads": "heads", "pred_num_mask_tokens": "mask_tokens"}
# what all released networks have in common, and ours cannot change
FIXED = {"model_type": "vjepa2", "hidden_act": "gelu", "layer_norm_eps": 1e-6, "in_chans": 3, "pred_mlp_ratio": 4.0}
BEGINNINGS = (  # (transformers, our part / our name)
    ("encoder.embeddings.patch_embeddings.", "encoder/patch_embed."),
    ("encoder.layer.", "encoder/blocks."),
    ("encoder.layernorm.", "encoder/norm."),
    ("predictor.embeddings.predictor_embeddings.", "predictor/predictor_embed."),
    ("predictor.embeddings.mask_tokens", "predictor/mask_tokens"),
    ("predictor.layer.", "predictor/predictor_blocks."),
    ("predictor.layernorm.", "predictor/predictor_norm."),
    ("predictor.proj.", "predictor/predictor_proj."),
    ("pooler.self_attention_layers.", "probe/pooler.blocks."),
    ("pooler.cross_attention_layer.", "probe/pooler.cross_attention_block."),
    ("pooler.query_tokens", "probe/pooler.query_tokens"),
    ("classifier.", "probe/linear."),
)
INSIDE = (  # (their pieces, our name): our rows are theirs, one piece below the other
    ((".attention.query.", ".attention.key.", ".attention.value."), ".attn.qkv."),
    ((".attention.proj.",), ".attn.proj."),
)
INSIDE_PROBE = (
    ((".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj."), ".attn.qkv."),
    ((".cross_attn.k_proj.", ".cross_attn.v_proj."), ".xattn.kv."),
    ((".self_attn.out_proj.",), ".attn.proj."),
    ((".cross_attn.q_proj.",), ".xattn.q."),
    ((".layer_norm1.",), ".norm1."),
    ((".layer_norm2.",), ".norm2."),
)


def from_official(state: State) -> State:
    """Strip what wrappers put before the names, and drop position tables that no network with rotary positions reads."""
    names = {key: key.replace("module.", "").replace("backbone.", "") for key in state}
    return {name: state[key] for key, name in names.items() if name not in ("pos_embed", "predictor_pos_embed")}


def from_transformers(state: State, part: Part) -> State:
    """Rename one part of a VJEPA2Model or VJEPA2ForVideoClassification; only what has to be joined is copied."""
    ours = {}
    for key, value in state.items():
        name = key.removeprefix("vjepa2.")
        for their, our in BEGINNINGS:
            name = name.replace(their, our)
        room, _, name = name.rpartition("/")
        if room in (part, ""):  # what no part knows stays, for the strict load to list
            ours[name] = value
    for pieces, our in INSIDE_PROBE if part == "probe" else INSIDE:
        for key in [key for key in ours if pieces[0] in key]:
            names = [key.replace(pieces[0], piece) for piece in pieces]
            if all(name in ours for name in names):  # so does what is incomplete
                rows = [ours.pop(name) for name in names]
                ours[key.replace(pieces[0], our)] = torch.cat(rows) if len(rows) > 1 else rows[0]
    return ours | {f"mask_tokens.{i}": token for i, token in enumerate(ours.pop("mask_tokens", ()))}


def to_transformers(state: State, part: Part) -> State:
    """Rename the weights of one of our networks for transformers and cut what is fused; nothing large is copied."""
    theirs, tokens = {}, [key for key in state if key.startswith("mask_tokens.")]
    state = {f"{part}/{key}": value for key, value in state.items()}
    if tokens:
        state[f"{part}/mask_tokens"] = torch.stack([state.pop(f"{part}/{key}") for key in tokens])
    inside = INSIDE_PROBE if part == "probe" else INSIDE
    for key, value in state.items():
        pieces, our = next((names for names in inside if names[1] in key), (("/",), "/"))
        for piece, rows in zip(pieces, value.chunk(len(pieces)), strict=True):
            name = key.replace(our, piece)
            for their, beginning in BEGINNINGS:
                name = name.replace(beginning, their)
            theirs[name] = rows
    return theirs


def sizes_from_transformers(facts: dict[str, object], source: str) -> tuple[EncoderConfig, PredictorConfig]:
    """Read the sizes out of config.json; those that it leaves out are ViT-L's, as in transformers.

    Raises CheckpointError for another kind of network, or sizes that none can have.
    """
    if odd := {key: facts[key] for key, value in FIXED.items() if facts.get(key, value) != value}:
        raise CheckpointError(f"{source}: expected {FIXED} in config.json, got {odd}; it is another network than V-JEPA 2")
    try:
        encoder = {ours: facts[theirs] for theirs, ours in ENCODER_SIZES.items() if theirs in facts}
        predictor = {ours: facts[theirs] for theirs, ours in PREDICTOR_SIZES.items() if theirs in facts}
        return EncoderConfig(**encoder), PredictorConfig(**predictor)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{source}: expected the sizes of a VJEPA2Config in config.json, got {error}; get it again"
        ) from error


def sizes_to_transformers(encoder: EncoderConfig, predictor: PredictorConfig) -> dict[str, object]:
    """Say our sizes in the words of config.json; raise ValueError for what transformers can't compute."""
    if (encoder.rope, predictor.rope, encoder.rope_base, predictor.rope_base) != ("tiled", "tiled", 1e4, 1e4):
        raise ValueError("expected the tiled rotary positions of base 10,000, all that transformers has; write it with save")
    sizes = {theirs: getattr(encoder, ours) for theirs, ours in ENCODER_SIZES.items()}
    return FIXED | sizes | {theirs: getattr(predictor, ours) for theirs, ours in PREDICTOR_SIZES.items()}
