"""Graders of chapter 14: one iteration of the cross-entropy method, the energy of a rollout's end, the L1 ball."""

from collections.abc import Callable

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.plan.world import rollout

ELITES, KEEP_MEAN, KEEP_STD = 6, 0.15, 0.6
RADIUS = 0.075  # metres, the paper's


@grader
def update(fn: Callable) -> str:
    """Check a function (actions (s, horizon, a), energies (s,), mean, std, elites, keep_mean, keep_std) -> (mean, std)."""
    g = torch.Generator().manual_seed(14)
    actions, energies = torch.randn(40, 2, 3, generator=g), torch.rand(40, generator=g)
    mean, std = torch.randn(2, 3, generator=g), 0.5 + torch.rand(2, 3, generator=g)
    answer = fn(actions, energies, mean, std, ELITES, KEEP_MEAN, KEEP_STD)
    require(answer is not None, "the answer is None: is there a return statement?")
    require(isinstance(answer, tuple | list) and len(answer) == 2, "expected two tensors: the new mean and the new std.")
    new_mean = require_tensor(answer[0], (2, 3), "the mean")
    new_std = require_tensor(answer[1], (2, 3), "the std")
    best, worst = (actions[energies.topk(ELITES, largest=large).indices] for large in (False, True))
    wanted = mix(best.mean(0), mean, KEEP_MEAN)
    for diagnosis, other in wrong_means(best, worst, actions, mean).items():
        require(not close(new_mean, other), diagnosis)
    require(close(new_mean, wanted), "the mean should be (1 - keep) times the elites' mean plus keep times the old mean.")
    for diagnosis, other in wrong_stds(best, actions, mean, std).items():
        require(not close(new_std, other), diagnosis)
    require(
        close(new_std, mix(best.std(0), std, KEEP_STD)),
        "the std should be (1 - keep) times the elites' unbiased std plus keep times the old std.",
    )
    return "the Gaussian moves to its elites and keeps some of its past."


def mix(new: Tensor, old: Tensor, keep: float) -> Tensor:
    """Blend what the elites say with what was believed."""
    return (1 - keep) * new + keep * old


def wrong_means(best: Tensor, worst: Tensor, actions: Tensor, mean: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for the mean."""
    return {
        "you kept the samples of the HIGHEST energy: low energy is near the goal, so topk needs largest=False.": (
            mix(worst.mean(0), mean, KEEP_MEAN)
        ),
        "that is the mean of the elites alone: the momentum keeps a share of the old mean.": best.mean(0),
        "your momentum is the wrong way round: keep_mean is the share of the OLD mean.": mix(best.mean(0), mean, 1 - KEEP_MEAN),
        "you took the mean over all samples: only the elites vote.": mix(actions.mean(0), mean, KEEP_MEAN),
        "that is the best sample alone: CEM moves to the mean of all elites.": mix(best[0], mean, KEEP_MEAN),
    }


def wrong_stds(best: Tensor, actions: Tensor, mean: Tensor, std: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for the std."""
    about_old = ((best - mean).square().sum(0) / (ELITES - 1)).sqrt()
    return {
        "your std divides by the number of elites: the released code uses the unbiased one, elites - 1.": (
            mix(best.std(0, correction=0), std, KEEP_STD)
        ),
        "that is the std of the elites alone: the momentum keeps a share of the old std.": best.std(0),
        "your std uses the momentum of the mean: it has its own, keep_std.": mix(best.std(0), std, KEEP_MEAN),
        "your momentum is the wrong way round: keep_std is the share of the OLD std.": mix(best.std(0), std, 1 - KEEP_STD),
        "that blends variances: the released code blends stds.": mix(best.var(0), std.square(), KEEP_STD).sqrt(),
        "your std is measured around the old mean: take it around the elites' own.": mix(about_old, std, KEEP_STD),
        "you took the std over all samples: only the elites vote.": mix(actions.std(0), std, KEEP_STD),
    }


class Drifting:
    """Imagine latents (s, 2, 3) that move by the action, by the pose and by how many steps the memory counts."""

    def encode(self, frames: Tensor) -> Tensor:
        """Return what it is given."""
        return frames

    def step(self, latent: Tensor, action: Tensor, pose: Tensor, memory: int | None) -> tuple[Tensor, int]:
        """Return the next latents and the count."""
        count = (memory or 0) + 1
        return 0.9 * latent + (action * count + 0.3 * pose)[:, None, :], count


@grader
def energy(fn: Callable) -> str:
    """Check a function (model, start (1, n, d), actions (s, horizon, a), poses (s, horizon + 1, a), goal) -> energies (s,)."""
    g = torch.Generator().manual_seed(141)
    start, goal = torch.randn(1, 2, 3, generator=g), torch.randn(1, 2, 3, generator=g)
    actions, poses = torch.randn(5, 3, 3, generator=g), torch.randn(5, 4, 3, generator=g)
    answer = require_tensor(fn(Drifting(), start, actions, poses, goal), (5,), "the energies")
    steps = list(rollout(Drifting(), start, actions, poses))
    for diagnosis, other in wrong_energies(steps, start, actions, poses, goal).items():
        require(not close(answer, other), diagnosis)
    require(
        close(answer, (steps[-1] - goal).abs().flatten(1).mean(1)),
        "expected the mean absolute difference between the last imagined latents and the goal.",
    )
    return "one number a plan: how far its imagined end is from the goal."


def wrong_energies(steps: list[Tensor], start: Tensor, actions: Tensor, poses: Tensor, goal: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for the energies."""
    last, by_step = steps[-1], [(latents - goal).abs().flatten(1).mean(1) for latents in steps]
    forgetful = start.expand(5, -1, -1)
    for h in range(3):
        forgetful = Drifting().step(forgetful, actions[:, h], poses[:, h], None)[0]
    *_, stuck = rollout(Drifting(), start, actions, poses[:, :1].expand(-1, 3, -1))
    return {
        "you added the energies of all steps: here only the last imagined step counts.": torch.stack(by_step).sum(0),
        "you stopped after the first action: imagine the whole plan.": by_step[0],
        "those are squared differences: the paper's energy is L1, absolute differences.": (
            (last - goal).square().flatten(1).mean(1)
        ),
        "you forgot the absolute value: differences of both signs cancel.": (last - goal).flatten(1).mean(1),
        "that is the sum over channels: take their mean.": (last - goal).abs().flatten(1).sum(1),
        "you measured from the start, not from the goal.": (last - start).abs().flatten(1).mean(1),
        "the memory does not come along: hand each step what the step before returned.": (
            (forgetful - goal).abs().flatten(1).mean(1)
        ),
        "every step got the first pose: step h starts at poses[:, h].": (stuck - goal).abs().flatten(1).mean(1),
    }


@grader
def ball(fn: Callable) -> str:
    """Check a function (values (s, k), radius) -> values whose absolute sum is at most the radius."""
    values = 0.08 * torch.randn(40, 3, generator=torch.Generator().manual_seed(142))
    values[:10] *= 0.1  # inside
    values[0] = 0.0
    answer = require_tensor(fn(values.clone(), RADIUS), (40, 3), "the values")
    sums = values.abs().sum(1, keepdim=True)
    wanted = values * (RADIUS / sums.clamp(min=RADIUS))
    wrong = {
        "that is the box of the released code: it bounds each value alone. The ball bounds their sum.": (
            values.clamp(-RADIUS, RADIUS)
        ),
        "you moved values that were inside already: only those outside are shortened.": values * RADIUS / sums.clamp(min=1e-12),
        "that is the L2 ball: add absolute values, not squares.": (
            values * (RADIUS / values.norm(dim=1, keepdim=True).clamp(min=RADIUS))
        ),
        "that is the nearest point of the ball, which turns the action. Shorten it instead: the direction stays.": (
            nearest(values, RADIUS)
        ),
        "nothing was shortened.": values,
    }
    for diagnosis, other in wrong.items():
        require(not close(answer, other, 1e-6), diagnosis)
    require(
        bool((answer.abs().sum(1) <= RADIUS + 1e-6).all()),
        "some answers are still outside: their absolute sum is larger.",
    )
    require(close(answer, wanted, 1e-6), "expected the same direction, shortened until the absolute sum is the radius.")
    return "direction kept, length bounded, and what was inside is untouched."


def nearest(values: Tensor, radius: float) -> Tensor:
    """Return the nearest point of the L1 ball in the usual sense, by soft thresholds (Duchi et al. 2008)."""
    ordered = values.abs().sort(dim=1, descending=True).values
    count = torch.arange(1, values.shape[1] + 1)
    excess = (ordered.cumsum(1) - radius) / count
    used = (ordered > excess).sum(1, keepdim=True).clamp(min=1)
    threshold = excess.gather(1, used - 1).clamp(min=0)
    return values.sign() * (values.abs() - threshold).clamp(min=0)
