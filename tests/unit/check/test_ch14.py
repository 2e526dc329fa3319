"""The graders of chapter 14 accept the library's answers and name what is wrong with others."""

import math

import pytest
import torch

from minijepa.check import ch14
from minijepa.plan.cem import CEM
from minijepa.plan.space import Group
from minijepa.plan.world import DISTANCES, rollout


def library_update(actions, energies, mean, std, elites, keep_mean, keep_std, largest=False, biased=False):
    best = energies.topk(elites, largest=largest).indices
    new_mean, new_std = CEM(len(actions), 1, elites).moments(actions[best], energies[best])
    if biased:
        new_std = actions[best].std(0, correction=0)
    return (1 - keep_mean) * new_mean + keep_mean * mean, (1 - keep_std) * new_std + keep_std * std


def swapped(a, e, m, s, k, keep_mean, keep_std):
    return library_update(a, e, m, s, k, 1 - keep_mean, 1 - keep_std)


def end(model, start, actions, poses):
    return list(rollout(model, start, actions, poses))[-1]


def library_energy(model, start, actions, poses, goal):
    return DISTANCES["l1"](end(model, start, actions, poses), goal)


def summed(model, start, actions, poses, goal):
    return sum(DISTANCES["l1"](z, goal) for z in rollout(model, start, actions, poses))


def forgetful(model, start, actions, poses, goal):
    z = start.expand(len(actions), -1, -1)
    for h in range(actions.shape[1]):
        z, _ = model.step(z, actions[:, h], poses[:, h], None)
    return DISTANCES["l1"](z, goal)


def first_pose(model, start, actions, poses, goal):
    return library_energy(model, start, actions, poses[:, :1].expand(-1, actions.shape[1], -1), goal)


def library_ball(values, radius):
    return Group((0, 1, 2), radius, 1.0, region="l1_ball").clip(values)


def test_the_library_passes():
    assert ch14.update(library_update).passed
    assert ch14.energy(library_energy).passed
    assert ch14.ball(library_ball).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda *a: library_update(*a, largest=True), "HIGHEST"),
        (lambda *a: library_update(*a, biased=True), "unbiased"),
        (swapped, "wrong way round"),
        (lambda a, e, m, s, k, km, ks: library_update(a, e, m, s, k, 0.0, 0.0), "elites alone"),
        (lambda a, e, m, s, k, km, ks: library_update(a, e, m, s, k, km, 0.0), "std of the elites alone"),
        (lambda a, e, m, s, k, km, ks: library_update(a, e, m, s, k, km, km), "its own, keep_std"),
        (lambda a, e, m, s, k, km, ks: library_update(a, e, m, s, len(a), km, ks), "over all samples"),
        (lambda a, e, m, s, k, km, ks: library_update(a, e, m, s, k, km, ks)[0], "two tensors"),
        (lambda a, e, m, s, k, km, ks: (m, s), "should be"),
        (lambda *a: None, "None"),
        (lambda *a: tuple(x * math.nan for x in library_update(*a)), "NaN"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_update(wrong, diagnosis):
    verdict = ch14.update(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (summed, "all steps"),
        (forgetful, "memory"),
        (first_pose, "first pose"),
        (lambda m, s, a, p, g: DISTANCES["l1"](end(m, s, a[:, :1], p), g), "first action"),
        (lambda m, s, a, p, g: DISTANCES["l2"](end(m, s, a, p), g), "squared"),
        (lambda m, s, a, p, g: (end(m, s, a, p) - g).flatten(1).mean(1), "absolute value"),
        (lambda m, s, a, p, g: (end(m, s, a, p) - g).abs().flatten(1).sum(1), "sum over channels"),
        (lambda m, s, a, p, g: library_energy(m, s, a, p, s), "from the start"),
        (lambda m, s, a, p, g: library_energy(m, s, a, p, g).mean(), "shape"),
        (lambda m, s, a, p, g: torch.zeros(len(a)), "expected the mean"),
        (lambda *a: None, "None"),
        (lambda *a: library_energy(*a) * math.nan, "NaN"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_energy(wrong, diagnosis):
    verdict = ch14.energy(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda v, r: v.clamp(-r, r), "box"),
        (lambda v, r: v * r / v.abs().sum(1, keepdim=True).clamp(min=1e-9), "inside already"),
        (lambda v, r: v * (r / v.norm(dim=1, keepdim=True).clamp(min=r)), "L2 ball"),
        (ch14.nearest, "nearest point"),
        (lambda v, r: v, "nothing"),
        (lambda v, r: library_ball(v, 2 * r), "still outside"),
        (lambda v, r: library_ball(v, r / 2), "same direction"),
        (lambda v, r: v * r / v.abs().sum(1, keepdim=True), "NaN"),
        (lambda v, r: v.sum(1), "shape"),
        (lambda v, r: None, "None"),
        (lambda v, r: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_ball(wrong, diagnosis):
    verdict = ch14.ball(wrong)
    assert not verdict.passed and diagnosis in verdict.message


def test_the_nearest_point_is_the_nearest():
    values = torch.tensor([[0.3, -0.1, 0.0]])
    here = ch14.nearest(values, 0.2)
    assert here.abs().sum() == pytest.approx(0.2)
    assert (here - values).norm() < (library_ball(values, 0.2) - values).norm()
