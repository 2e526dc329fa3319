"""Runs by name: the toy worlds, and both released phases of V-JEPA 2 for every released size.

To add a phase, write a function that returns its config and give it a name in ``RECIPES`` and ``RecipeName``.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

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


def cooldown_drift() -> PretrainConfig:
    """Return the second phase of ``drift``: twice the side and twice the frames, while the rate falls."""
    optim = replace(drift().optim, steps=200, momentum=(0.999, 0.999))
    rate = LearningRate(peak=1e-3, final=1e-4, warmup=0, decay=200, horizon=1.25)
    return replace(drift(), data=ToyBatches(World.drift(size=64, frames=16)), optim=replace(optim, rate=rate))


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
        mask_group=24,
    )


def cooldown(encoder: EncoderConfig, crop: int, clips: int) -> PretrainConfig:
    """Return the released second phase: 12,000 steps on longer and larger clips while the rate falls.

    To be begun ``--from`` the folder of the primary phase. Numbers of facebookresearch/vjepa2 ``configs/train/
    {vitl16,vith16,vitg16}/cooldown-*.yaml``: 64 frames, 5.25e-4 down a line that would reach 1e-6 after 15,000 steps.

    Differs: the published file of ViT-g at 256 px says 4 epochs of 30 steps, a leftover; the 12,000 steps are those of
    the others and of the paper.

    crop: pixels, side of a clip.
    clips: on each GPU; the batch stays 3,072, so 12 clips mean 256 GPUs and 6 clips 512.
    """
    primary = released(encoder)
    rate = LearningRate(peak=5.25e-4, final=1e-6, warmup=0, decay=12_000, horizon=1.25)
    return replace(
        primary,
        data=replace(primary.data, frames=64, crop=crop),
        optim=replace(primary.optim, steps=12_000, rate=rate),
        mask_group=clips,
    )


RecipeName = Literal[
    "drift",
    "rich",
    "cooldown-drift",
    "vit-l",
    "vit-h",
    "vit-g",
    "cooldown-vit-l",
    "cooldown-vit-h",
    "cooldown-vit-g",
    "cooldown-vit-g-384",
]
RECIPES: dict[RecipeName, Callable[[], PretrainConfig]] = {
    "drift": drift,
    "rich": rich,
    "cooldown-drift": cooldown_drift,
    "vit-l": lambda: released(EncoderConfig.vit_l()),
    "vit-h": lambda: released(EncoderConfig.vit_h()),
    "vit-g": lambda: released(EncoderConfig.vit_g()),
    "cooldown-vit-l": lambda: cooldown(EncoderConfig.vit_l(), crop=256, clips=12),
    "cooldown-vit-h": lambda: cooldown(EncoderConfig.vit_h(), crop=256, clips=12),
    "cooldown-vit-g": lambda: cooldown(EncoderConfig.vit_g(), crop=256, clips=6),
    "cooldown-vit-g-384": lambda: cooldown(EncoderConfig.vit_g_384(), crop=384, clips=6),
}
