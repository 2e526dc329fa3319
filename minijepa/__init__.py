"""minijepa: V-JEPA 2 in code that can be read, from toy clips to the released checkpoints."""

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.weights import CheckpointError, load, save

__all__ = [
    "CheckpointError",
    "EncoderConfig",
    "MaskedPredictor",
    "PredictorConfig",
    "VideoEncoder",
    "load",
    "save",
]
