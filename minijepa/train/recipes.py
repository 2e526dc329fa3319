"""Runs by name: the toy worlds, and the released primary phase of V-JEPA 2 for three sizes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.toy_physics import World
from minijepa.train.batches import FileBatches, ToyBatches
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE
from minijepa.train.pretrain import PretrainConfig, Run
from minijepa.train.schedule import LearningRate, Optimisation


def drift() -> PretrainConfig:
    """Return the first run of the course: one shape that drifts over a texture, minutes on a laptop."""
    return PretrainConfig()


def rich() -> PretrainConfig:
    """Return the same networks on the rich world: several shapes, collisions, bounces, gravity, an occluder."""
    return PretrainConfig(data=ToyBatches(World.rich()))


def released(encoder: EncoderConfig, videos: Path | tuple[Path, ...] = ()) -> PretrainConfig:
    """Return the released primary phase: 240,000 steps of 3,072 clips on 128 GPUs, 24 clips each.

    Numbers of facebookresearch/vjepa2 ``configs/train/{vitl16,vith16,vitg16}/pretrain-256px-16f.yaml`` and of the
    paper (arXiv 2506.09985): 12,000 steps of warm-up to 5.25e-4, which then stays; weight decay 0.04; AdamW betas
    0.9, 0.999; EMA 0.99925; bfloat16; no clipping.

    Differs: the published files of ViT-L and ViT-H say 10 epochs of 300 steps, fewer than their warm-up of 40; the
    240,000 steps are those of ViT-g and of the paper. ``recompute`` saves memory and changes no number.
    """
    return PretrainConfig(
        encoder=encoder,
        predictor=PredictorConfig.released(encoder),
        masks=(SHORT_RANGE, LONG_RANGE),
        data=FileBatches(videos, frames=16, fps=4, crop=256, rule="released", short="repeat"),
        batch=3_072,
        optim=Optimisation(240_000, LearningRate(1e-4, 5.25e-4, 5.25e-4, warmup=12_000), bf16=True, recompute=True),
        run=replace(Run(), save_every=300, workers=8, device="cuda"),
    )


RECIPES: dict[str, Callable[[], PretrainConfig]] = {
    "drift": drift,
    "rich": rich,
    "vit-l": lambda: released(EncoderConfig.vit_l()),
    "vit-h": lambda: released(EncoderConfig.vit_h()),
    "vit-g": lambda: released(EncoderConfig.vit_g()),
}
