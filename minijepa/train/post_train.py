"""The second training stage: learn what actions do, in the latents of a frozen encoder.

Implements the loss of facebookresearch/vjepa2 ``app/vjepa_droid/train.py``: every next frame from the true frames before it
(teacher forcing), and a few frames from the model's own predictions (rollout). ``python -m minijepa.train.post_train --help``
lists every setting; the same command under ``torchrun --nproc-per-node N`` trains on N processes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from minijepa.config import ActionPredictorConfig
from minijepa.data.video_files import seeded
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.weights import save
from minijepa.train.pretrain import Run
from minijepa.train.processes import Processes
from minijepa.train.run import RunFolder
from minijepa.train.schedule import LearningRate, Optimisation, adamw
from minijepa.train.transitions import Sequences, Transitions

Finish = Callable[[Tensor], Tensor]  # what is done to a prediction before it counts as a latent
Loss = Callable[[nn.Module, Transitions, int], dict[str, Tensor]]  # (predictor, batch, step) -> losses that are added up
PARTS = ("predictor", "optimiser")  # what a checkpoint holds of the state


def layer_normed(predicted: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    """Normalise each token without scale or shift (eps 1e-5), as the released model does to its predictions."""
    return F.layer_norm(predicted, predicted.shape[-1:])


@dataclass(frozen=True)
class PostTrainConfig:
    """Describe a post-training run; the default is the released one of V-JEPA 2-AC, for ViT-g on DROID."""

    predictor: ActionPredictorConfig = ActionPredictorConfig()
    grid: tuple[int, int] = (16, 16)  # h, w of a frame's latents; (1, 1) for one projected vector
    auto_steps: int = 2  # predictions in a row that the rollout loss asks for; 1 leaves it out
    batch: int = 256  # sequences a step, over all processes
    optim: Optimisation = Optimisation(94_500, LearningRate(7.5e-5, 4.25e-4, 0.0, 4_500, 4_500), bf16=True)
    run: Run = Run(seed=239)

    def __post_init__(self) -> None:
        if self.auto_steps < 1 or self.batch < 1 or min(self.grid) < 1:
            raise ValueError(f"PostTrainConfig: expected auto_steps, batch and grid of at least 1, got {self}")

    @classmethod
    def toy(cls, width: int = 4, grid: tuple[int, int] = (1, 1), steps: int = 800) -> "PostTrainConfig":
        """Return the run that learns the plane in seconds of one core: residual, small, and a higher learning rate."""
        predictor = ActionPredictorConfig(width, 48, 2, 2, residual=True, action_width=2, rope="textbook")
        optim = Optimisation(steps, LearningRate(0.0, 2e-3, 1e-5, 50, steps // 2), 0.04, clip=1.0)
        return cls(predictor, grid, batch=32, optim=optim, run=Run())


def action_losses(
    predictor: nn.Module, known: Transitions, grid: tuple[int, int], auto_steps: int = 2, finish: Finish = layer_normed
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the teacher-forcing and the rollout loss, each a mean |prediction - truth|.

    L_forcing = mean over k of |P(h_0..h_k, a_0..a_k, s_0..s_k) - h_{k+1}|;
    L_rollout = the same over the first ``auto_steps`` frames, where frame k is the model's own prediction from k = 1 on.
    Actions and states stay the true ones, and gradients pass through all calls.

    Raises ValueError if the sequences are shorter than the rollout.
    """
    h, actions, states = known.latents, known.actions, known.states
    steps = actions.shape[1]
    if auto_steps > steps:
        raise ValueError(f"action_losses: expected sequences of at least {auto_steps} actions, got {steps}; use longer ones")

    def predict(frames: Tensor) -> Tensor:
        t = frames.shape[1]
        cameras = None if known.extrinsics is None else known.extrinsics[:, :t]
        predicted = predictor(frames.flatten(1, 2), actions[:, :t], states[:, :t], grid, cameras)
        return finish(predicted).unflatten(1, frames.shape[1:3])

    forced = predict(h[:, :-1])
    forcing = F.l1_loss(forced, h[:, 1:])
    imagined = [forced[:, :1]]
    for _ in range(auto_steps - 1):
        imagined.append(predict(torch.cat((h[:, :1], *imagined), 1))[:, -1:])
    return forcing, F.l1_loss(torch.cat(imagined, 1), h[:, 1 : auto_steps + 1])


class Learner(nn.Module):
    """Join predictor and loss in one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, predictor: ActionPredictor, loss: Loss) -> None:
        super().__init__()
        self.predictor, self.loss = predictor, loss

    def forward(self, known: Transitions, step: int) -> dict[str, Tensor]:
        """Return the losses of a batch by name."""
        return self.loss(self.predictor, known, step)


@dataclass
class State:
    """Hold everything that changes during post-training, which is all that a checkpoint needs."""

    predictor: ActionPredictor
    optimiser: torch.optim.AdamW
    step: int = 0


def fresh_state(config: PostTrainConfig) -> State:
    """Build the predictor from the seed of the run; what no loss reaches is left out of the optimiser."""
    predictor = ActionPredictor(config.predictor, torch.Generator().manual_seed(config.run.seed)).to(config.run.device)
    predictor.extrinsics_encoder.requires_grad_(config.predictor.extrinsics)
    predictor.recompute = config.optim.recompute
    return State(predictor, adamw([predictor], config.optim))


def post_train(
    config: PostTrainConfig,
    known: Sequences,
    finish: Finish = layer_normed,
    watch: Callable[[State], None] | None = None,
    watch_every: int = 100,
    loss: Loss | None = None,
) -> State:
    """Train from the last checkpoint of the run, or from the beginning, to the last step.

    known: encoded once, before; the encoder is frozen and takes no part. Other arguments as in ``pretrain``.
    finish: ``layer_normed`` as released, or ``LatentView.finish``.
    loss: instead of the two of ``action_losses``.
    A run that is stopped and started again ends with the same weights, bit by bit.

    Differs: the official trainer encodes each clip again in every step, and keeps a copy of the encoder in its optimiser
    that no gradient ever reaches.
    """
    state = fresh_state(config)

    def released(predictor: nn.Module, batch: Transitions, step: int) -> dict[str, Tensor]:
        return dict(zip(("forcing", "rollout"), action_losses(predictor, batch, config.grid, config.auto_steps, finish)))

    with Processes.join(config.run.device) as processes:
        folder = RunFolder(config.run.folder, settings(config, known, loss), processes.rank == 0, PARTS)
        state.step = folder.restore(state)
        learner = Learner(state.predictor, loss or released).train()
        learner = DistributedDataParallel(learner) if processes.world > 1 else learner
        started = time.perf_counter() - folder.seconds
        silent = config.run.quiet or processes.rank > 0
        steps = range(state.step, config.optim.steps)
        for _ in tqdm(steps, initial=state.step, total=config.optim.steps, disable=silent, unit="step"):
            if watch and state.step % watch_every == 0:
                watch(state)
            losses = train_step(learner, state, draw(known, config, state.step, processes), config)
            last = state.step == config.optim.steps
            if state.step % config.run.log_every == 0 or last:
                row = {"step": state.step, "seconds": time.perf_counter() - started}
                folder.log(row | {name: processes.mean(value) for name, value in losses.items()})
            if state.step % config.run.save_every == 0 or last:
                folder.save(state, time.perf_counter() - started)
        if watch:
            watch(state)
        if folder.writes:
            save(state.predictor, folder.path / "predictor.safetensors")
    state.predictor.eval()
    return state


def train_step(learner: nn.Module, state: State, known: Transitions, config: PostTrainConfig) -> dict[str, Tensor]:
    """Take one optimiser step on this process's share of the batch."""
    optim = config.optim
    for group in state.optimiser.param_groups:
        group["lr"] = optim.rate.at(state.step, optim.steps)
    with torch.autocast(torch.device(config.run.device).type, torch.bfloat16, enabled=optim.bf16):
        losses = learner(known, state.step)
    state.optimiser.zero_grad()
    sum(losses.values()).backward()
    if optim.clip is not None:
        nn.utils.clip_grad_norm_(state.predictor.parameters(), optim.clip)
    state.optimiser.step()
    state.step += 1
    return {name: loss.detach() for name, loss in losses.items()}


def draw(known: Sequences, config: PostTrainConfig, step: int, processes: Processes) -> Transitions:
    """Draw the sequences of a step, with replacement, and keep this process's rows."""
    chosen = torch.randint(len(known), (config.batch,), generator=seeded(config.run.seed, step))
    drawn = known.rows(chosen[processes.share(config.batch)])
    return drawn.to(config.run.device)


def settings(config: PostTrainConfig, known: Sequences, loss: Loss | None = None) -> str:
    """Describe all that decides the weights of a run: the data by its own word, the loss by its name if it is another."""
    named = "" if loss is None else f"{loss.__qualname__}, "
    return f"{named}sequences {known.identity()}, {replace(config, run=Run(seed=config.run.seed))!r}"


if __name__ == "__main__":
    from minijepa.train.post_train_command import main  # it imports this file: the command stands above the loop

    main()
