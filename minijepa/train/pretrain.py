"""The first training stage: predict hidden parts of a video in latent space.

``python -m minijepa.train.pretrain --help`` lists every setting. The same command under
``torchrun --nproc-per-node N`` trains on N processes; global batches and masks do not depend on N.

Implements ``app/vjepa/train.py`` of facebookresearch/vjepa2.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.data.preprocess import normalize
from minijepa.data.video_files import seeded
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.batches import Batches, Steps, ToyBatches, loader
from minijepa.train.health import health
from minijepa.train.masks import Future, Masks, MaskType, Tube
from minijepa.train.objective import Objective, ema_update, latent_loss
from minijepa.train.processes import Processes
from minijepa.train.run import RunFolder
from minijepa.train.schedule import LearningRate, Optimisation, adamw
from minijepa.train.shard import shard

MASK_STREAM = 1  # keeps the draws of masks apart from those of clips of the same seed and step


@dataclass(frozen=True)
class Run:
    """Say where a run lives and how often it speaks."""

    folder: Path | None = None  # checkpoint, metrics.csv and weights; None keeps everything in memory
    seed: int = 0  # of weights, data and masks
    save_every: int = 500  # steps between checkpoints
    log_every: int = 50  # steps between rows of metrics.csv
    workers: int = 0  # processes that prepare batches ahead
    device: str = "cpu"  # or "cuda"; under torchrun each process takes a GPU of its own
    quiet: bool = False  # no progress bar
    shard: bool = field(default=False, repr=False)  # each process keeps a part of the networks (FSDP2)


@dataclass(frozen=True)
class PretrainConfig:
    """Describe a pretraining run; the default learns the drift world in minutes on a laptop."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig.tiny)
    predictor: PredictorConfig = field(default_factory=PredictorConfig.tiny)
    masks: tuple[MaskType, ...] = (Tube(), Future())  # every clip is masked once by each
    data: Batches = field(default_factory=ToyBatches)
    batch: int = 32  # clips a step, over all processes
    optim: Optimisation = Optimisation(
        2_000, LearningRate(0.0, 2e-3, 1e-4, 50, 400), 0.05, (0.9, 0.98), clip=1.0, momentum=(0.98, 0.999)
    )
    run: Run = Run()
    mask_group: int | None = field(default=None, repr=False)  # clips whose masks have one length; None: all of the batch

    def __post_init__(self) -> None:
        if self.predictor.encoder_width != self.encoder.width or not self.masks or self.batch < 1:
            raise ValueError(
                f"PretrainConfig: expected predictor.encoder_width = encoder.width = {self.encoder.width}, at least one "
                f"mask type and one clip, got encoder_width {self.predictor.encoder_width}, {len(self.masks)} mask types "
                f"and a batch of {self.batch}; change one of them"
            )


class Learner(nn.Module):
    """Join what is trained and its loss in one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, encoder: VideoEncoder, predictor: MaskedPredictor, objective: Objective) -> None:
        super().__init__()
        self.encoder, self.predictor, self.objective = encoder, predictor, objective

    def forward(self, teacher: VideoEncoder, video: Tensor, masks: Sequence[Masks]) -> Tensor:
        """Return the loss of one batch."""
        return self.objective(self.encoder, self.predictor, teacher, video, masks)


@dataclass
class State:
    """Hold everything that changes during training, which is all that a checkpoint needs."""

    encoder: VideoEncoder
    predictor: MaskedPredictor
    teacher: VideoEncoder  # the exponential moving average of the encoder: what is evaluated and shipped
    optimiser: torch.optim.AdamW
    step: int = 0


def fresh_state(config: PretrainConfig) -> State:
    """Build the networks from the seed of the run, the teacher an exact copy of the encoder."""
    generator = torch.Generator().manual_seed(config.run.seed)
    encoder = VideoEncoder(config.encoder, generator).to(config.run.device)
    predictor = MaskedPredictor(config.predictor, generator).to(config.run.device)
    for unused in list(predictor.mask_tokens)[1:]:  # stay zero, as in the released checkpoints
        unused.requires_grad_(False)
    encoder.recompute = predictor.recompute = config.optim.recompute
    teacher = copy.deepcopy(encoder).requires_grad_(False).eval()
    return State(encoder, predictor, teacher, adamw([encoder, predictor], config.optim))


def pretrain(
    config: PretrainConfig,
    objective: Objective = latent_loss,
    watch: Callable[[State], None] | None = None,
    watch_every: int = 100,
    start: Path | None = None,
) -> State:
    """Train from the last checkpoint of the run, or from the beginning, to the last step.

    objective: the loss of one batch, see ``objective.latent_loss``.
    watch: called before step 0, every ``watch_every`` steps and at the end, for probes and figures.
    start: folder of another run whose last weights and moments a new run begins with, as a cooldown does.
    Returns the final state. A run that is killed and started again ends with the same weights, bit by bit, on the
    same machine and number of threads. Raises ValueError if the folder holds a run with other settings.

    Differs: the official trainer redraws data after a resume and scales bfloat16 gradients; here every batch and
    mask is a function of (seed, step), and bfloat16 needs no scaler.
    """
    with Processes.join(config.run.device) as processes:
        state = fresh_state(config)
        folder = RunFolder(config.run.folder, settings(config, objective, start), processes.rank == 0)
        state.step = folder.restore(state, start)
        learner = Learner(state.encoder, state.predictor, objective).train()
        if config.run.shard:
            shard(learner, state, config.optim, processes)
        elif processes.world > 1:
            learner = DistributedDataParallel(learner)
        rows = processes.share(config.batch)
        steps = Steps(config.data, state.step, config.optim.steps, config.run.seed, config.batch, rows)
        batches = loader(steps, config.run.workers)
        silent = config.run.quiet or processes.rank > 0
        started = time.perf_counter() - folder.seconds
        for video in tqdm(batches, initial=steps.first, total=config.optim.steps, disable=silent, unit="step"):
            if watch and state.step % watch_every == 0:
                watch(state)
            loss = train_step(learner, state, video, config, processes)
            if state.step % config.run.log_every == 0 or state.step == config.optim.steps:
                row = {"step": state.step, "seconds": time.perf_counter() - started, "loss": processes.mean(loss)}
                row["skipped"] = len(processes.union(config.data.skipped()))
                folder.log(row | health(state.teacher, network_input(video, config.run.device)))
            if state.step % config.run.save_every == 0 or state.step == config.optim.steps:
                folder.save(state, time.perf_counter() - started)
        if watch:
            watch(state)
        folder.finish(state)
    return state


def train_step(learner: nn.Module, state: State, video: Tensor, config: PretrainConfig, processes: Processes) -> Tensor:
    """Take one optimiser step on this process's share of the batch and let the teacher follow."""
    optim, device = config.optim, torch.device(config.run.device)
    video = network_input(video, config.run.device)
    masks = draw_masks(config, state.encoder.grid(video), state.step, processes)
    for group in state.optimiser.param_groups:
        group["lr"] = optim.rate.at(state.step, optim.steps)
    with torch.autocast(device.type, torch.bfloat16, enabled=optim.bf16):
        loss = learner(state.teacher, video, masks)
    state.optimiser.zero_grad()
    loss.backward()
    if optim.clip is not None:
        nn.utils.clip_grad_norm_([*state.encoder.parameters(), *state.predictor.parameters()], optim.clip)
    state.optimiser.step()
    ema_update(state.teacher, state.encoder, optim.momentum_at(state.step))
    state.step += 1
    return loss.detach()


def network_input(video: Tensor, device: str) -> Tensor:
    """Move clips to the device and normalise raw pixels there; clips of video files come normalised."""
    video = video.to(device)
    return normalize(video) if video.dtype == torch.uint8 else video


def settings(config: PretrainConfig, objective: Objective, start: Path | None = None) -> str:
    """Describe all that decides the weights of a run, so that a checkpoint is not continued with something else."""
    name = getattr(objective, "__qualname__", repr(objective))
    said = f"{name}, {replace(config, run=Run(seed=config.run.seed))!r}"
    later = {"mask_group": config.mask_group, "from": start}  # said only where asked for: older checkpoints go on
    return said + "".join(f", {key}={value}" for key, value in later.items() if value is not None)


def draw_masks(config: PretrainConfig, grid: tuple[int, int, int], step: int, processes: Processes) -> list[Masks]:
    """Draw masks for the clips that share their lengths and keep this process's rows, so that N processes equal one.

    Raises ValueError if clips of one process would have masks of several lengths.

    Differs: with ``mask_group`` (released: the 24 clips of a GPU) each group has block sizes of its own; in the
    official run all GPUs have the same.
    """
    rows, clips = processes.share(config.batch), config.mask_group or config.batch
    group, first = divmod(rows.start, clips)
    last = first + rows.stop - rows.start
    if last > clips or config.batch % clips:
        raise ValueError(
            f"mask_group: expected a multiple of the {last - first} clips of a process that divides the batch of "
            f"{config.batch}, got {clips}; set it to {last - first}, or change the number of processes"
        )
    stream = (MASK_STREAM,) if config.mask_group is None else (MASK_STREAM, group)
    generator = seeded(config.run.seed, step, *stream)
    drawn = [mask.draw(grid, clips, generator) for mask in config.masks]
    return [Masks(*(ids[first:last].to(config.run.device) for ids in mask)) for mask in drawn]


if __name__ == "__main__":
    from minijepa.train.command import main  # it imports this file: the command stands above the loop

    main()
