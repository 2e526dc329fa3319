"""Learn from labels: the same encoder trained end to end, as the yardstick for what labels cost."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.config import EncoderConfig
from minijepa.data.preprocess import normalize
from minijepa.data.toy_physics import ToyClips, World, sample, split_generator
from minijepa.model.encoder import VideoEncoder
from minijepa.train.schedule import Optimisation, adamw

LabelledBatch = tuple[UInt8[Tensor, "b 3 f H W"], dict[str, Int[Tensor, "b"]]]


def endless_labels(world: World, batch: int, seed: int) -> Iterator[LabelledBatch]:
    """Yield the very clips that ``ToyBatches`` trains on, with their labels: supervision without limit."""
    step = 0
    while True:
        clips = sample(world, batch, split_generator("train", seed, step))
        yield clips.video, clips.labels
        step += 1


def few_labels(clips: ToyClips, batch: int, generator: torch.Generator) -> Iterator[LabelledBatch]:
    """Yield batches of a fixed labelled set, reshuffled every epoch."""
    while True:
        for rows in torch.randperm(len(clips.video), generator=generator).split(batch):
            yield clips.video[rows], {name: value[rows] for name, value in clips.labels.items()}


def supervise(
    config: EncoderConfig,
    classes: dict[str, int],
    batches: Iterator[LabelledBatch],
    optim: Optimisation,
    generator: torch.Generator,
    watch: Callable[[int, VideoEncoder, nn.ModuleDict], None] | None = None,
    watch_every: int = 100,
) -> tuple[VideoEncoder, nn.ModuleDict]:
    """Train an encoder and one linear head a label on the mean token, by cross-entropy averaged over labels.

    classes: number of classes of each label name to be learnt. watch: called with (step, encoder, heads).
    Returns the encoder and its heads in evaluation mode.
    """
    encoder = VideoEncoder(config, generator)
    heads = nn.ModuleDict({name: nn.Linear(config.width, count) for name, count in classes.items()})
    for head in heads.values():
        nn.init.normal_(head.weight, std=0.02, generator=generator)
        nn.init.zeros_(head.bias)
    optimiser = adamw([encoder, heads], optim)
    for step in range(optim.steps):
        if watch and step % watch_every == 0:
            watch(step, encoder, heads)
        video, labels = next(batches)
        pooled: Float[Tensor, "b d"] = encoder.train()(normalize(video)).mean(1)
        loss = torch.stack([F.cross_entropy(head(pooled), labels[name]) for name, head in heads.items()]).mean()
        for group in optimiser.param_groups:
            group["lr"] = optim.rate.at(step, optim.steps)
        optimiser.zero_grad()
        loss.backward()
        if optim.clip is not None:
            nn.utils.clip_grad_norm_([*encoder.parameters(), *heads.parameters()], optim.clip)
        optimiser.step()
    if watch:
        watch(optim.steps, encoder, heads)
    return encoder.eval(), heads.eval()


@torch.no_grad()
def label_accuracy(encoder: VideoEncoder, head: nn.Module, video: Tensor, labels: Int[Tensor, "clips"]) -> float:
    """Return the share of clips whose label the head gives."""
    logits = torch.cat([head(encoder(part).mean(1)) for part in video.split(256)])
    return (logits.argmax(1) == labels).float().mean().item()
