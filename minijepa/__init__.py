"""minijepa: V-JEPA 2 in code that can be read, from toy clips to the released checkpoints."""

from minijepa.config import ActionPredictorConfig, EncoderConfig, PredictorConfig
from minijepa.hub import DownloadError
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import AttentiveProbe
from minijepa.model.weights import CheckpointError, load, save, save_for_transformers
from minijepa.plan.pose import advance, difference

__all__ = [
    "ActionPredictor",
    "ActionPredictorConfig",
    "AttentiveProbe",
    "CheckpointError",
    "DownloadError",
    "EncoderConfig",
    "MaskedPredictor",
    "PredictorConfig",
    "VideoEncoder",
    "advance",
    "difference",
    "load",
    "save",
    "save_for_transformers",
]
