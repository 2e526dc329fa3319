"""Which network is in this checkpoint? Its config, from the file where that says it, else from the table of released files.

The number of heads is the trap: no shape of a tensor tells it, and with a wrong one the weights load and compute nonsense.
"""

import json

from minijepa.config import RELEASED, ActionPredictorConfig, EncoderConfig, Part, PredictorConfig, ProbeConfig, Released
from minijepa.model.checkpoint_files import CheckpointError, Opened, State
from minijepa.model.layouts import sizes_from_transformers

Config = EncoderConfig | PredictorConfig | ActionPredictorConfig | ProbeConfig
CONFIGS = {"action_predictor": ActionPredictorConfig, "probe": ProbeConfig}
CONFIGS |= {"encoder": EncoderConfig, "predictor": PredictorConfig}


def own_config(opened: Opened) -> Config:
    """Read the config in the metadata of a file that ``save`` wrote."""
    config_type, said = CONFIGS[opened.facts["kind"]], opened.facts.get("config")
    try:
        fields = json.loads(said)
        return config_type(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
    except (TypeError, ValueError, AttributeError) as error:
        expected = f"expected a {config_type.__name__} as JSON in its metadata, got {said!r} ({error})"
        raise CheckpointError(f"{opened.source}: {expected}; was it written by another version?") from error


def released_config(opened: Opened, part: Part, state: State, released: Released | None) -> Config:
    """Find the sizes of a network in a released layout; raise CheckpointError rather than guess the number of heads."""
    if opened.kind == "transformers":
        encoder, predictor = sizes_from_transformers(opened.facts, opened.source)
        for known in (r.encoder for r in RELEASED.values() if r.encoder.heads != encoder.heads):
            if (known.width, known.depth, known.hidden) == (encoder.width, encoder.depth, encoder.hidden):
                expected = f"expected {known.heads} heads, as all released weights of this size have, got {encoder.heads}"
                raise CheckpointError(f"{opened.source}: {expected}; shapes can't tell: mend config.json, or pass config=")
    elif released:
        encoder, predictor = released.encoder, PredictorConfig.released(released.encoder)
    if (opened.kind == "official" or (part == "probe" and encoder.heads != 16)) and not released:
        raise CheckpointError(
            f"{opened.source}: expected the name of a released file, from which the heads follow, got another; no shape tells "
            f"them. Pass config={CONFIGS[part].__name__}(...): released are 16 heads in ViT-L, ViT-H and probes, 22 in ViT-g"
        )
    if part == "probe":
        return probe_config(state, opened.source)
    return {"encoder": encoder, "predictor": predictor, "action_predictor": ActionPredictorConfig.ac_vit_g()}[part]


def probe_config(state: State, source: str) -> ProbeConfig:
    """Read the sizes of a released probe off its tensors; it has 16 heads on every width."""
    try:
        depth = 1 + len({key.split(".")[2] for key in state if key.startswith("pooler.blocks.")})
        names = ("linear",) if "linear.bias" in state else ("verb_classifier", "noun_classifier", "action_classifier")
        classes = tuple(len(state[f"{name}.bias"]) for name in names)
        return ProbeConfig(state["pooler.query_tokens"].shape[-1], 16, depth, classes if len(classes) > 1 else classes[0])
    except (LookupError, ValueError) as error:
        raise CheckpointError(f"{source}: expected a probe with queries and a classifier, got none ({error})") from error
