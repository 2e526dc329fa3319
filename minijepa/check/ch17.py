"""Graders of chapter 17: inverse dynamics with doubt, the ranks of an energy, and a model that predicts changes."""

from collections.abc import Callable

import torch
from torch import Tensor

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.study.landscape import spearman


@grader
def inverse(fn: Callable) -> str:
    """Check a function (first (b, d), second (b, d), moved (b, 7), weight (7, d), doubt (b, 1)) -> the loss ()."""
    g = torch.Generator().manual_seed(17)
    first, second = torch.randn(2, 6, 5, generator=g)
    moved, weight = torch.randn(6, 7, generator=g), torch.randn(7, 5, generator=g)
    doubt = torch.randn(6, 1, generator=g)
    answer = require_tensor(fn(first, second, moved, weight, doubt), (), "the loss")
    error = (second - first) @ weight.T - moved
    for diagnosis, wrong in _wrong_losses(error, (first - second) @ weight.T - moved, doubt).items():
        require(not close(answer, wrong), diagnosis)
    wanted = (error.abs() * (-doubt).exp() + doubt).mean()
    require(
        close(answer, wanted),
        f"expected {float(wanted):.4f}, the mean of |error| exp(-doubt) + doubt, got {float(answer):.4f}.",
    )
    return "the action is a straight step in the latent, and doubt costs what it saves."


def _wrong_losses(error: Tensor, backwards: Tensor, doubt: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for the loss."""
    return {
        "doubt is free: without '+ doubt' the model doubts everything and learns nothing.": (
            error.abs() * (-doubt).exp()
        ).mean(),
        "the doubt scales nothing: divide the error by exp(doubt).": (error.abs() + doubt).mean(),
        "the doubt is not there at all.": error.abs().mean(),
        "the exponent has the wrong sign: doubt should make an error count less.": (error.abs() * doubt.exp() + doubt).mean(),
        "you subtracted the latents the wrong way round: second minus first.": (
            backwards.abs() * (-doubt).exp() + doubt
        ).mean(),
        "that is the squared error; here it is the absolute one.": (error.square() * (-doubt).exp() + doubt).mean(),
        "you summed over the channels or pairs: take the mean.": (error.abs() * (-doubt).exp() + doubt).sum(),
        "an error has a sign: take its absolute value.": (error * (-doubt).exp() + doubt).mean(),
    }


@grader
def ranks(fn: Callable) -> str:
    """Check a function (energy (s,), distance (s,)) -> the rank correlation, a float."""
    g = torch.Generator().manual_seed(171)
    distance = torch.rand(40, generator=g)
    energy = (4 * distance).exp() + 20 * torch.rand(40, generator=g)
    answer = _number(fn(energy.clone(), distance.clone()))
    wanted = spearman(energy, distance)
    for diagnosis, wrong in _wrong_ranks(energy, distance).items():
        require(abs(answer - wrong) > 1e-4, diagnosis)
    require(abs(answer - wanted) < 1e-4, f"expected {wanted:.4f}, got {answer:.4f}: correlate the ranks of both lists.")
    tied = (energy / 20).round()
    right, got = spearman(tied, distance), _number(fn(tied.clone(), distance.clone()))
    require(abs(got - right) < 1e-4, "right without ties: equal values should share the mean of their ranks.")
    flat = _number(fn(torch.ones(40), distance.clone()))
    require(flat == 0, "an energy that is the same everywhere tells nothing: return 0.")
    return "1 where a lower energy always means nearer, whatever the energy's unit."


def _number(answer: object) -> float:
    """Return a finite number, or say what it is instead."""
    require(answer is not None, "the correlation is None: is there a return statement?")
    one = require_tensor(torch.as_tensor(answer, dtype=torch.float64), (), "the correlation")
    return float(one)


def _wrong_ranks(energy: Tensor, distance: Tensor) -> dict[str, float]:
    """Return what common slips give for lists without ties."""

    def plain(x: Tensor, y: Tensor) -> float:
        return float(torch.corrcoef(torch.stack((x.double(), y.double())))[0, 1])

    return {
        "that is the correlation of the values: it asks for a straight line. Correlate the ranks.": plain(energy, distance),
        "argsort says who comes k-th, not which rank k has: sort its result once more.": plain(
            energy.argsort(), distance.argsort()
        ),
        "the sign is turned: a low energy should mean near, which is +1.": -spearman(energy, distance),
        "you ranked one list only.": plain(energy.argsort().argsort(), distance),
    }


@grader
def imagine(fn: Callable) -> str:
    """Check a function (change, latent (b, 1, k), actions (b, t, 7)) -> the imagined latents (b, t, 1, k).

    ``change(latent, action)`` returns what one action adds to a latent.
    """
    g = torch.Generator().manual_seed(172)
    latent, actions, mix = torch.randn(3, 1, 4, generator=g), torch.randn(3, 5, 7, generator=g), torch.randn(7, 4, generator=g)

    def change(z: Tensor, action: Tensor) -> Tensor:
        return 0.3 * torch.tanh(z) + 0.1 * (action @ mix)[:, None]

    before = latent.clone()
    answer = require_tensor(fn(change, latent, actions), (3, 5, 1, 4), "the imagined latents")
    require(torch.equal(latent, before), "you changed the latent that you were given: write z = z + ..., not z += ...")
    for diagnosis, wrong in _wrong_dreams(change, latent, actions).items():
        require(not close(answer, wrong), diagnosis)
    z, path = latent, []
    for action in actions.unbind(1):
        z = z + change(z, action)
        path.append(z)
    require(close(answer, torch.stack(path, 1)), "each latent should be the one before it plus its change.")
    return "each imagined latent is the one before plus a change, so doing nothing is easy to learn."


def _wrong_dreams(change: Callable, latent: Tensor, actions: Tensor) -> dict[str, Tensor]:
    """Return what common slips give for a rollout."""
    steps = actions.unbind(1)
    z, bare = latent, []
    for action in steps:
        z = change(z, action)
        bare.append(z)
    z, same = latent, []
    for _ in steps:
        z = z + change(z, steps[0])
        same.append(z)
    z, late = latent, []
    for action in steps:
        late.append(z)
        z = z + change(z, action)
    first = [change(latent, action) for action in steps]
    return {
        "you took the change for the next latent: add it to the latent.": torch.stack(bare, 1),
        "every step uses the first action.": torch.stack(same, 1),
        "your list begins with the present: the first entry is what follows the first action.": torch.stack(late, 1),
        "each step starts at the first latent again: feed the prediction back.": latent[:, None] + torch.stack(first, 1),
        "you added up changes that were all asked at the first latent: ask at the imagined one.": (
            latent[:, None] + torch.stack(first, 1).cumsum(1)
        ),
    }
