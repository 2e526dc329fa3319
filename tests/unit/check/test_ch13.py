"""The graders of chapter 13 accept the library and name the typical mistakes."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.check import ch13
from minijepa.plan.pose import advance, euler_angles, rotation


def mask(steps, size):
    step = torch.arange(steps * size) // size
    return step[:, None] >= step


def rollout_loss(predict, h, actions, steps, own=True, whole=True):
    frames, found = h[:, :1], []
    for k in range(steps):
        predicted = predict(frames, actions[:, : k + 1]) if whole else predict(frames[:, -1:], actions[:, k : k + 1])
        found.append(predicted[:, -1:])
        frames = torch.cat((frames, found[-1] if own else h[:, k + 1 : k + 2]), 1)
    return F.l1_loss(torch.cat(found, 1), h[:, 1 : steps + 1])


def last_only(predict, h, actions, steps):
    frames = h[:, :1]
    for k in range(steps):
        frames = torch.cat((frames, predict(frames, actions[:, : k + 1])[:, -1:]), 1)
    return F.l1_loss(frames[:, steps], h[:, steps])


def squared(predict, h, actions, steps):
    frames = h[:, :1]
    for k in range(steps):
        frames = torch.cat((frames, predict(frames, actions[:, : k + 1])[:, -1:]), 1)
    return F.mse_loss(frames[:, 1:], h[:, 1 : steps + 1])


def one_action(predict, h, actions, steps):
    return rollout_loss(predict, h, actions[:, :1].expand_as(actions), steps)


def too_many_actions(predict, h, actions, steps):
    return predict(h[:, :1], actions).mean()


def turn(angles, change):
    pose, action = (F.pad(part, (3, 1)) for part in (angles, change))
    return advance(pose, action)[..., 3:6]


def matrices(angles, change):
    return euler_angles(rotation(change) @ rotation(angles))


WRONG = [
    (ch13.mask, lambda steps, size: ~mask(steps, size), "upside down"),
    (ch13.mask, lambda steps, size: mask(steps, size).T, "lets the past see the future"),
    (ch13.mask, lambda steps, size: mask(steps * size, 1), "as in a language model"),
    (ch13.mask, lambda steps, size: mask(steps, size) & mask(steps, size).T, "earlier steps are allowed"),
    (ch13.mask, lambda steps, size: ~mask(steps, size).T, "must see its own tokens"),
    (
        ch13.mask,
        lambda steps, size: (torch.arange(steps * size) % size)[:, None] >= torch.arange(steps * size) % size,
        "grouped",
    ),
    (ch13.mask, lambda steps, size: mask(steps, size).float(), "should be bool"),
    (ch13.mask, lambda steps, size: mask(steps, size)[:size], "should have shape"),
    (ch13.mask, lambda steps, size: torch.ones(steps * size, steps * size).bool(), "compare the steps of both"),
    (ch13.rollout_loss, lambda *given: rollout_loss(*given, own=False), "own prediction goes in"),
    (ch13.rollout_loss, lambda *given: rollout_loss(*given, whole=False), "the memory got lost"),
    (ch13.rollout_loss, last_only, "average over all"),
    (ch13.rollout_loss, squared, "squared error"),
    (ch13.rollout_loss, one_action, "step k takes action k"),
    (ch13.rollout_loss, too_many_actions, "cut the actions"),
    (ch13.rollout_loss, lambda *given: rollout_loss(*given) * 2, "expected 1."),
    (ch13.turn, lambda angles, change: angles + change, "angles do not add"),
    (ch13.turn, lambda angles, change: matrices(change, angles), "other way round"),
    (ch13.turn, lambda angles, change: euler_angles(rotation(change).mT @ rotation(angles)), "turns back"),
    (ch13.turn, lambda angles, change: matrices(angles, change).rad2deg(), "those are degrees"),
    (ch13.turn, lambda angles, change: matrices(angles, change) + 2 * torch.pi, "outside -pi to pi"),
    (ch13.turn, lambda angles, change: matrices(angles, 0 * change), "another rotation"),
]
GRADERS = [(ch13.mask, mask), (ch13.rollout_loss, rollout_loss), (ch13.turn, turn), (ch13.turn, matrices)]


@pytest.mark.parametrize("grade, answer", GRADERS)
def test_accepts_the_library(grade, answer):
    assert grade(answer).passed, grade(answer)


@pytest.mark.parametrize("grade, answer, diagnosis", WRONG)
def test_names_the_mistake(grade, answer, diagnosis):
    verdict = grade(answer)
    assert not verdict.passed and diagnosis in verdict.message, verdict


@pytest.mark.parametrize("grade", [ch13.mask, ch13.rollout_loss, ch13.turn])
def test_broken_answers_are_verdicts(grade):
    def breaks(*_):
        raise KeyError("steps")

    def unwritten(*_):
        raise NotImplementedError

    assert "None" in grade(lambda *_: None).message
    assert "KeyError" in grade(breaks).message
    assert "not written yet" in grade(unwritten).message


def test_nan_is_named():
    assert "NaN" in ch13.rollout_loss(lambda *_: torch.tensor(torch.nan)).message
    assert "NaN" in ch13.turn(lambda angles, _: angles * torch.nan).message
    assert "NaN" in ch13.mask(lambda steps, size: torch.full((steps * size,) * 2, torch.nan)).message
