"""Graders of chapter 13: who may look at whom, the loss of a rollout, and turns that add up as rotations."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.plan.pose import euler_angles, rotation


@grader
def mask(fn: Callable) -> str:
    """Check a function (steps, size) -> (n, n) bool, True where token row may look at token column; n = steps size."""
    for steps, size in ((3, 4), (2, 5)):
        n = steps * size
        answer = require_tensor(fn(steps, size), (n, n), "the mask")
        require(answer.dtype == torch.bool, f"the mask should be bool, True where looking is allowed; it is {answer.dtype}.")
        step = torch.arange(n) // size
        wanted = step[:, None] >= step
        require(not torch.equal(answer, ~wanted), "it is upside down: True where a token may look, not where it may not.")
        require(not torch.equal(answer, wanted.T), "rows look at columns: yours lets the past see the future.")
        ordered = torch.ones(n, n).tril().bool()
        require(
            not torch.equal(answer, ordered),
            "that is a mask by token, as in a language model: inside a step all tokens see each other.",
        )
        same = step[:, None] == step
        require(not torch.equal(answer, same), "each step sees only itself: earlier steps are allowed, too.")
        require(
            not torch.equal(answer, step[:, None] > step),
            "a step must see its own tokens: the action of a step decides what follows from it.",
        )
        inner = torch.arange(n) % size
        require(
            not torch.equal(answer, inner[:, None] >= inner),
            "you grouped by place inside a step: the tokens of one step stand next to each other.",
        )
        require(torch.equal(answer, wanted), f"wrong for {steps} steps of {size} tokens: compare the steps of both tokens.")
    return "every token sees its own step and all before it, and no later one."


@grader
def rollout_loss(fn: Callable) -> str:
    """Check a function (predict, h, actions, steps) -> loss; predict(frames (b,t,n,d), actions (b,t,a)) -> (b,t,n,d)."""
    generator = torch.Generator().manual_seed(13)
    h, actions = (torch.randn(shape, generator=generator) for shape in ((2, 5, 3, 4), (2, 4, 4)))
    for steps in (2, 3):
        answer = require_tensor(fn(_predict, h.clone(), actions.clone(), steps), (), "the loss")
        error = {name: _rollout(h, actions, steps, name) for name in ("right", "forced", "first", "last", "square", "still")}
        said = {
            "forced": "true frames go into every step: after the first one the model's own prediction goes in.",
            "last": "only the last prediction counts in yours: average over all of them.",
            "first": "the memory got lost: give the predictor all frames so far, the true first one and the imagined ones.",
            "square": "that is a squared error: the loss is the mean absolute one.",
            "still": "the same action goes in at every step: step k takes action k.",
        }
        for name, diagnosis in said.items():
            require(not close(answer, error[name], 1e-6), diagnosis)
        require(close(answer, error["right"], 1e-6), f"expected {error['right']:.4f} for {steps} steps, got {answer:.4f}.")
    return "the model walks on its own predictions, and every step of it counts."


def _predict(frames: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Stand in for a predictor that looks at all steps so far."""
    require(frames.ndim == 4 and actions.ndim == 3, "predict takes frames (b, t, n, d) and actions (b, t, a).")
    require(frames.shape[1] == actions.shape[1], "predict got different numbers of frames and actions: cut the actions.")
    count = torch.arange(1, frames.shape[1] + 1)[None, :, None, None]
    return torch.tanh(0.7 * frames + 0.5 * frames.cumsum(1) / count + actions[:, :, None])


def _rollout(h: torch.Tensor, actions: torch.Tensor, steps: int, kind: str) -> torch.Tensor:
    """Compute the loss, right or with one of the mistakes."""
    if kind == "still":
        actions = actions[:, :1].expand_as(actions)
    frames, found = h[:, :1], []
    for k in range(steps):
        last = slice(k, k + 1)
        found.append(
            _predict(frames[:, -1:], actions[:, last]) if kind == "first" else _predict(frames, actions[:, : k + 1])[:, -1:]
        )
        frames = torch.cat((frames, h[:, k + 1 : k + 2] if kind == "forced" else found[-1]), 1)
    imagined, truth = torch.cat(found, 1), h[:, 1 : steps + 1]
    if kind == "last":
        return F.l1_loss(imagined[:, -1], truth[:, -1])
    return F.mse_loss(imagined, truth) if kind == "square" else F.l1_loss(imagined, truth)


@grader
def turn(fn: Callable) -> str:
    """Check a function (angles, change) -> angles after the turn, each (..., 3) float64 in radians, extrinsic xyz Euler."""
    generator = torch.Generator().manual_seed(31)
    angles, change = (torch.rand((6, 3), generator=generator).double() * 2 - 1 for _ in range(2))
    angles[0] = torch.tensor([0.2, 0.1, 3.1])
    change[0] = torch.tensor([0.0, 0.0, 0.2])  # passes pi
    before, after = rotation(angles), rotation(change)
    answer = require_tensor(fn(angles.clone(), change.clone()), (6, 3), "the angles")
    require(not close(answer, angles + change), "angles do not add: turns about several axes multiply as matrices.")
    require(not close(answer, euler_angles(before @ after)), "the order is the other way round: R(change) stands on the left.")
    require(not close(answer, euler_angles(after.mT @ before)), "that turns back: the transpose belongs into the difference.")
    require(not close(answer.deg2rad(), euler_angles(after @ before)), "those are degrees: give radians.")
    found = answer.double()
    require(close(rotation(found), after @ before), "this is another rotation than R(change) R(angles).")
    require((found.abs() <= torch.pi + 1e-6).all(), "the rotation is right, but an angle lies outside -pi to pi.")
    return "turns compose, and nothing jumps at pi."
