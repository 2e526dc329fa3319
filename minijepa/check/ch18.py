"""Graders of chapter 18: an energy over blocks, which goal at which action, a goal that follows the way of the pictures."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor

BLOCKS = {"side": slice(0, 6), "wrist": slice(6, 10), "gripper": slice(10, 11)}  # of unequal size, so that sum and mean differ
STAGES = (("above", 3), ("at", 2), ("closed", 1), ("lifted", 2))


@grader
def energy(fn: Callable) -> str:
    """Check a function (latents (b, k), goal (1, k), blocks, weights) -> energies (b,): weighed means of |difference|."""
    latents, goal = _latents()
    weights = {"side": 0.1, "wrist": 1.0, "gripper": 3.0}
    answer = require_tensor(fn(latents.clone(), goal.clone(), dict(BLOCKS), dict(weights)), (5,), "the energies")
    for diagnosis, other in _wrong_energies(latents, goal, weights).items():
        require(not close(answer, other), diagnosis)
    require(close(answer, _energy(latents, goal, weights)), "expected the sum over blocks of weight * mean |difference|.")
    some = {"side": 1.0, "ceiling": 2.0}
    answer = require_tensor(fn(latents.clone(), goal.clone(), dict(BLOCKS), some), (5,), "the energies of other weights")
    known = _energy(latents, goal, {"side": 1.0})
    require(close(answer, known), "only blocks with a weight count, and a weight without a block counts nothing.")
    return "each view counts by its mean and its weight, whatever its number of channels."


def _latents() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(18)
    return torch.randn(5, 11, generator=g), torch.randn(1, 11, generator=g)


def _energy(latents: Tensor, goal: Tensor, weights: Mapping[str, float]) -> Tensor:
    apart = (latents - goal).abs()
    return sum(weight * apart[:, BLOCKS[name]].mean(1) for name, weight in weights.items())


def _wrong_energies(latents: Tensor, goal: Tensor, weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Return what common slips give."""
    apart = latents - goal
    parts = {name: apart[:, BLOCKS[name]] for name in weights}
    return {
        "you summed the channels of a block: the larger view then counts more than its weight says. Take the mean.": sum(
            weights[name] * part.abs().sum(1) for name, part in parts.items()
        ),
        "you squared the differences: this energy is their absolute value.": sum(
            weights[name] * part.pow(2).mean(1) for name, part in parts.items()
        ),
        "errors of different sign cancel: take |difference| before the mean.": sum(
            weights[name] * part.mean(1) for name, part in parts.items()
        ),
        "the weights do nothing: multiply each block's mean by its weight.": sum(p.abs().mean(1) for p in parts.values()),
        "you averaged over all channels at once: each block has its own mean, then its weight.": apart.abs().mean(1),
        "you divided by the number of blocks: the weighed means are added.": _energy(latents, goal, weights) / len(parts),
    }


@grader
def schedule(fn: Callable) -> str:
    """Check a function (stages of (name, actions), action from 0 on) -> the name of the goal that this action aims at."""
    wanted = [name for name, count in STAGES for _ in range(count)]
    answer = [fn(STAGES, k) for k in range(len(wanted))]
    require(None not in answer, "a name is None: is there a return statement for every action?")
    strange = [str(name) for name in answer if name not in dict(STAGES)]
    require(not strange, f"expected names of goals, got {strange[:1]}.")
    require(len(set(answer)) > 1, f"you always return {answer[0]!r}: the goal has to change with the action.")
    shifted = [STAGES[0][0], *wanted[:-1]]
    require(answer != shifted, "you switch one action too late: a stage of 3 actions has 0, 1 and 2.")
    require(answer != [*wanted[1:], wanted[-1]], "you switch one action too early: actions are counted from 0.")
    require(
        answer != [STAGES[min(k, 3)][0] for k in range(len(wanted))], "that is one action a goal: use its number of actions."
    )
    slip = next((k for k, (mine, right) in enumerate(zip(answer, wanted)) if mine != right), None)
    require(slip is None, f"action {slip} should aim at {wanted[slip or 0]!r}, you say {answer[slip or 0]!r}.")
    try:
        late = fn(STAGES, len(wanted))
    except IndexError:
        return "fixed switching times: nobody has to tell when a stage is done."
    require(late == wanted[-1], "behind the last action keep the last goal, or raise an IndexError.")
    return "fixed switching times: nobody has to tell when a stage is done."


@grader
def relative(fn: Callable) -> str:
    """Check a function (seen, goal, after (1, k), gripper: slice) -> the latent to aim at, the gripper's place absolute."""
    g, gripper = torch.Generator().manual_seed(181), BLOCKS["gripper"]
    seen, goal, after = (torch.randn(1, 11, generator=g) for _ in range(3))
    before = [part.clone() for part in (seen, goal, after)]
    answer = require_tensor(fn(seen, goal, after, gripper), (1, 11), "the goal")
    kept = all(torch.equal(now, then) for now, then in zip((seen, goal, after), before))
    require(kept, "you changed a latent that you were given: clone it first.")
    for diagnosis, other in _wrong_goals(seen, goal, after).items():
        require(not close(answer[:, :10], other[:, :10]), diagnosis)
    require(close(answer[:, :10], (seen + goal - after)[:, :10]), "the views should aim at seen + goal - after.")
    moved = close(answer[:, gripper], (seen + goal - after)[:, gripper])
    require(not moved, "the gripper is measured, so its goal is never relative: take the picture's.")
    require(close(answer[:, gripper], goal[:, gripper]), "the gripper's channel should be that of the goal.")
    return "the way of the pictures from where the hand is; the gripper as it was measured."


def _wrong_goals(seen: Tensor, goal: Tensor, after: Tensor) -> dict[str, Tensor]:
    """Return what common slips give."""
    return {
        "that is the place in the picture: add the way from one picture to the other to what is seen.": goal,
        "the way leads backwards: it is goal minus after.": seen + after - goal,
        "that is the way alone: it starts at what is seen.": goal - after,
        "that is what is seen: nothing would move.": seen,
        "you added the goal and forgot to subtract the picture that the way starts from.": seen + goal,
    }
