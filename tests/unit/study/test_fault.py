"""The fault finder names the part that was broken on purpose, in a world of a point in the plane."""

import warnings
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from minijepa.plan.cem import CEM, PlanConfig
from minijepa.plan.space import planar
from minijepa.study.fault import ARMS, Diagnosis, Suspects, culprit, drive, find_fault, planner
from minijepa.study.landscape import linear_locator

SPACE = planar(0.3)
SPREAD = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(5))).Q[:2]  # (2, 12), orthonormal rows


class PointWorld:
    """A point that goes where it is sent, within a square."""

    def simulate(self, state: Tensor, action: Tensor) -> Tensor:
        return (state + action).clamp(-1, 1)

    def observe(self, state: Tensor) -> Tensor:
        return state

    def pose(self, state: Tensor) -> Tensor:
        return state

    def distance(self, state: Tensor, goal: Tensor) -> Tensor:
        return (state - goal).norm(dim=1)


class GoodModel:
    """See the place through a rotation into 12 channels, and know what actions do."""

    def encode(self, frames: Tensor) -> Tensor:
        return frames @ SPREAD

    def state(self, latent: Tensor) -> Tensor:
        return latent @ SPREAD.T

    def step(self, latent: Tensor, action: Tensor, pose: Tensor, memory: object) -> tuple[Tensor, object]:
        return self.encode((self.state(latent) + action).clamp(-1, 1)), None


class WrongActions(GoodModel):
    """Believe that x goes the other way."""

    def step(self, latent, action, pose, memory):
        return super().step(latent, action * torch.tensor([-1.0, 1.0]), pose, memory)


class Waves(GoodModel):
    """Hold the place in faint channels beside loud ones that come and go: it can be read, but distance misleads."""

    def encode(self, frames: Tensor) -> Tensor:
        return torch.cat((torch.sin(25 * frames), torch.cos(25 * frames), 0.01 * frames), 1)

    def state(self, latent: Tensor) -> Tensor:
        return 100 * latent[:, 4:]


class Blind(GoodModel):
    """See x alone."""

    def encode(self, frames: Tensor) -> Tensor:
        return (frames * torch.tensor([1.0, 0.0])) @ SPREAD


class WavesAndWrong(Waves, WrongActions):
    pass


def energy(latents: Tensor, goal: Tensor) -> Tensor:
    return (latents - goal).abs().mean(1)


SETTINGS = PlanConfig(SPACE, CEM(48, 4, 6), chunk=64)


def drunk(model, context, pose, goal, distance, generator) -> Tensor:
    return guess(1, generator)


def guess(count: int, generator: torch.Generator) -> Tensor:
    return SPACE.draw(*SPACE.start(1), count, generator)[:, 0]


def places(count: int, seed: int) -> Tensor:
    return 1.8 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 0.9


EPISODES = 6


@cache
def diagnose(kind: type[GoodModel], sober: bool = True, episodes: int = EPISODES) -> Diagnosis:
    model, bank = kind(), places(200, 7)
    way = planner(SETTINGS) if sober else drunk
    suspects = Suspects(PointWorld(), model, way, energy, linear_locator(model.encode(bank), bank, 1e-6), guess)
    return find_fault(suspects, places(episodes, 1), places(episodes, 2), steps=8, tolerance=0.1)


BROKEN = [
    (GoodModel, True, "nobody"),
    (GoodModel, False, "planner"),
    (WrongActions, True, "model"),
    (Waves, True, "encoder"),
    (Blind, True, "encoder"),
    (WavesAndWrong, True, "encoder and model"),
]


@pytest.mark.parametrize("kind, sober, guilty", BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_the_broken_part_is_named(kind, sober, guilty):
    found = diagnose(kind, sober)
    assert found.culprit == guilty, found.success
    assert set(found.success) == set(ARMS) and len(found.episodes) == EPISODES * len(ARMS)
    assert found.success["random"] <= 0.2


def test_the_evidence():
    good, waves, wrong, blind = (diagnose(kind, True) for kind in (GoodModel, Waves, WrongActions, Blind))
    assert all(row["rank_correlation"] > 0.95 for row in good.ranks)
    assert all(row["rank_correlation"] < 0.5 for row in waves.ranks)
    assert [row["goal"] for row in good.ranks] == ["near", "middle", "far"]
    assert sum(row["pairs"] for row in good.ranks) == EPISODES and good.ranks[0]["high"] <= good.ranks[1]["low"]
    assert good.readout_error < 0.01 and blind.readout_error > 0.1
    assert len(good.gaps) == 8 * EPISODES and max(abs(row["gap"]) for row in good.gaps) < 1e-6
    assert sum(row["gap"] for row in wrong.gaps) / len(wrong.gaps) < -0.02  # it believes to get nearer than it does
    starts = [[row["start"] for row in good.episodes if row["arm"] == arm] for arm in ARMS]
    assert all(start == starts[0] for start in starts), "every arm gets the same episodes"


def test_arms_share_their_random_numbers_and_repeat():
    first, second = (diagnose.__wrapped__(GoodModel, episodes=1) for _ in range(2))
    assert first.episodes == second.episodes


def test_the_gap_reaches_over_the_whole_plan():
    """With two actions a plan, the second one's error counts too."""

    def two(model, context, pose, goal, distance, generator):
        return torch.tensor([[0.1, 0.0], [0.2, 0.0]])

    suspects = Suspects(PointWorld(), WrongActions(), two, energy, lambda latents: latents, guess)
    start, goal = torch.zeros(1, 2), torch.tensor([[-0.3, 0.0]])
    _, gaps = drive(suspects, "both learnt", start, goal, 1, torch.Generator())
    see = WrongActions().encode
    assert gaps[0] == pytest.approx(-float(energy(see(torch.tensor([[0.3, 0.0]])), see(goal))), abs=1e-6)
    _, gaps = drive(replace(suspects, model=GoodModel()), "both learnt", start, goal, 1, torch.Generator())
    assert gaps[0] == pytest.approx(0, abs=1e-6)


RATES = dict(zip(ARMS, (1.0, 1.0, 1.0, 1.0, 0.1)))
VERDICTS = [
    ({}, True, "nobody"),
    ({"both oracle": 0.4}, True, "planner"),
    ({"both oracle": 0.9, "random": 0.8}, True, "planner"),
    ({"learnt energy": 0.5, "both learnt": 0.5}, True, "encoder"),
    ({"learnt dynamics": 0.5, "both learnt": 0.5}, True, "model"),
    ({"learnt dynamics": 0.5, "both learnt": 0.5}, False, "encoder"),
    ({"learnt energy": 0.5, "learnt dynamics": 0.5, "both learnt": 0.2}, True, "encoder and model"),
    ({"both learnt": 0.5}, True, "encoder and model together"),
]


@pytest.mark.parametrize("rates, readable, guilty", VERDICTS)
def test_the_verdict(rates, readable, guilty):
    assert culprit(RATES | rates, readable) == guilty


def test_bad_input_is_refused():
    suspects = Suspects(PointWorld(), GoodModel(), planner(SETTINGS), energy, GoodModel().state, guess)
    with pytest.raises(ValueError, match="steps >= 1"):
        find_fault(suspects, places(3, 1), places(3, 2), steps=0, tolerance=0.1)
    with pytest.raises(ValueError, match="one shape"):
        find_fault(suspects, places(1, 1)[:0], places(1, 2)[:0], steps=2, tolerance=0.1)


class Trainable(GoodModel):
    """Learn still: its parameters ask for gradients."""

    gain = torch.ones(1, requires_grad=True)

    def encode(self, frames):
        return self.gain * super().encode(frames)


def test_a_model_that_is_not_frozen_leaves_no_graph_and_no_warning():
    bank = places(200, 7)
    read_out = linear_locator(GoodModel().encode(bank), bank, 1e-6)
    suspects = Suspects(PointWorld(), Trainable(), planner(SETTINGS), energy, read_out, guess)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        end, gaps = drive(suspects, "both learnt", places(1, 1), places(1, 2), 2, torch.Generator().manual_seed(0))
        found = find_fault(suspects, places(1, 1), places(1, 2), steps=1, tolerance=0.1)
    assert len(gaps) == 2 and not end.requires_grad and len(found.ranks) > 0
