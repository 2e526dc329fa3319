"""Graders of chapter 15: drawing a picture from noise, what a budget buys, and a price that compares like with like."""

import math
from collections.abc import Callable

import torch

from minijepa.check.verdict import close, grader, require, require_tensor
from minijepa.study.pixel_world import euler
from minijepa.study.rival import FEWEST, PROBES, PUBLISHED, affordable, price_ratio


@grader
def draw(fn: Callable) -> str:
    """Check a function (read_out, noise, steps) -> picture that follows a flow from noise to a picture."""
    generator = torch.Generator().manual_seed(15)
    noise, target = torch.randn(2, 2, 4, 6, generator=generator)
    asked: list[float] = []

    def read_out(noisy: torch.Tensor, tau: float) -> torch.Tensor:
        asked.append(float(tau))
        return target * float(tau) + 0.5 * noisy.tanh()

    answer = require_tensor(fn(read_out, noise.clone(), 4), (2, 4, 6), "the picture")
    require(len(asked) > 0, "the network was never asked: call read_out(noisy, tau) once a step.")
    require(len(asked) == 4, f"4 steps ask the network 4 times, yours asked {len(asked)} times.")
    require(not asked[0] > 0.5, f"you begin at tau = {asked[0]:.2f}: noise is tau = 0, a picture is tau = 1.")
    require(max(asked) < 1, "the network was asked at tau = 1, where there is nothing left to do (and 1 - tau is 0).")
    steps = max(abs(a - b) for a, b in zip(asked, (0.0, 0.25, 0.5, 0.75)))
    require(steps < 1e-5, f"in 4 equal steps tau is 0, 0.25, 0.5, 0.75; yours is {[round(a, 3) for a in asked]}.")
    want = euler(read_out, noise, 4)
    require(not close(answer, noise), "the picture is the noise that came in: keep what each step gives.")
    require(not close(answer, _walk(read_out, noise, far=True)), "each step jumps to the end: go 1 / steps of the velocity.")
    require(
        not close(answer, _walk(read_out, noise, far=False)),
        "you go 1 / steps of (x - noisy): the velocity is (x - noisy) / (1 - tau), or the end is never reached.",
    )
    require(close(answer, want), "expected noisy + (x - noisy) / (1 - tau) / steps at every step.")
    return "four calls of the network for one picture; a planner pays them for every sample."


def _walk(read_out: Callable, noise: torch.Tensor, far: bool) -> torch.Tensor:
    """Return two wrong walks: one that jumps to what is read out, one that forgets 1 / (1 - tau)."""
    for i in range(4):
        found = read_out(noise, i / 4)
        noise = found if far else noise + (found - noise) / 4
    return noise


@grader
def buys(fn: Callable) -> str:
    """Check a function (costs, budget) -> samples, with the costs at ``PROBES`` samples."""
    costs = (5.0, 9.0)
    for budget in (9.0, 12.4, 30.1, 3.0, 0.5):
        answer = fn(costs, budget)
        require(answer is not None, "the number of samples is None: is there a return statement?")
        require(math.isfinite(float(answer)), f"a budget of {budget} buys {answer} samples.")
        require(float(answer) == int(answer), f"samples come whole; a budget of {budget} buys {answer} of yours.")
        per_sample = int(PROBES[1] * budget / costs[1])
        want = affordable(costs, budget)
        require(
            int(answer) == want or int(answer) != per_sample,
            "you divide the budget by the price of a sample: part of an action costs the same whatever is sampled (looking).",
        )
        require(int(answer) <= max(want, FEWEST), f"{answer} samples cost more than the budget of {budget}: round down.")
        require(int(answer) >= FEWEST, f"{answer} samples are too few for elites: give {FEWEST} at least.")
        require(int(answer) == want, f"costs {costs} at {PROBES} samples, budget {budget}: expected {want}, got {answer}.")
    return "a fixed part and a price a sample: two measurements say both."


@grader
def dearer(fn: Callable) -> str:
    """Check a function (ours, theirs) -> (ratio of actions, ratio of samples); each: (seconds, samples, iterations)."""
    for ours, theirs in (tuple(PUBLISHED.values()), ((0.02, 48, 3), (0.06, 12, 2))):
        answer = fn(ours, theirs)
        require(answer is not None, "the ratios are None: is there a return statement?")
        require(len(answer) == 2, f"expected two ratios, got {len(answer)}.")
        action, sample = (float(x) for x in answer)
        require(math.isfinite(action) and math.isfinite(sample), "a ratio is NaN or infinite.")
        want = price_ratio(ours, theirs)
        require(abs(action * want[0] - 1) > 1e-6, "upside down: theirs divided by ours, so that dearer is more than 1.")
        require(abs(action / want[0] - 1) < 1e-6, f"seconds of an action: expected {want[0]:.1f}, got {action:.3g}.")
        half = theirs[0] / ours[0] * ours[1] / theirs[1]
        require(
            abs(sample / half - 1) > 1e-6 or ours[2] == theirs[2],
            "count the iterations, too: each of them imagines all samples.",
        )
        require(abs(sample / action - 1) > 1e-6, "the second ratio equals the first: divide by samples times iterations.")
        require(abs(sample / want[1] - 1) < 1e-6, f"seconds of an imagined sample: expected {want[1]:.1f}, got {sample:.3g}.")
    return "15 times dearer an action, 150 times a sample: a ratio without its number of samples says little."
