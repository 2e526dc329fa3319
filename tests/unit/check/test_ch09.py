"""The graders of chapter 09 accept the library and name the typical mistakes."""

import pytest
import torch

from minijepa.check import ch09
from minijepa.model.layouts import from_official
from minijepa.show.cost import parameters_by_part


def joined(query, key, value):
    return torch.cat((query, key, value))


def memory(config, size):
    return sum(parameters_by_part(config).values()) * size


def one_prefix(state):
    return {key.removeprefix("module."): value for key, value in state.items() if "pos_embed" not in key}


def keeps_tables(state):
    return {key.replace("module.", "").replace("backbone.", ""): value for key, value in state.items()}


def drops_all_embeddings(state):
    return {key: value for key, value in from_official(state).items() if "embed" not in key}


def exchanged(state):
    found = from_official(state)
    return dict(zip(found, reversed(found.values())))


def projections_alone(config, size):
    return config.depth * (4 * config.width**2 + 2 * config.width * config.hidden) * size


WRONG = [
    (ch09.names, one_prefix, "a prefix is left: ['backbone.patch_embed"),
    (ch09.names, keeps_tables, "no network reads the table"),
    (ch09.names, drops_all_embeddings, "patch_embed.proj.weight, predictor_embed.weight got lost"),
    (ch09.names, exchanged, "tensors were exchanged"),
    (ch09.names, lambda state: list(state), "got a list"),
    (ch09.join, lambda q, k, v: torch.cat((q, k, v), -1), "side by side"),
    (ch09.join, lambda q, k, v: torch.stack((q, k, v)), "new axis"),
    (ch09.join, lambda q, k, v: torch.cat((k, q, v)), "the order is k, q, v"),
    (ch09.join, lambda q, k, v: torch.stack((q, k, v), 1).flatten(0, 1), "rows alternate"),
    (ch09.join, lambda q, k, v: torch.cat((q, k, v)) * 2, "expected the rows of q"),
    (ch09.memory, lambda config, size: memory(config, 1), "each takes some bytes"),
    (ch09.memory, lambda config, size: memory(config, 4), "use the second argument"),
    (ch09.memory, lambda config, size: memory(config, size) / 1e9, "give bytes"),
    (ch09.memory, lambda config, size: memory(config, 8 * size), "those are bits"),
    (ch09.memory, projections_alone, "biases, norms and the patch embedding are missing"),
    (ch09.memory, lambda config, size: memory(config, size) + 4, "expected 1,215"),
]
GRADERS = [(ch09.names, from_official), (ch09.join, joined), (ch09.memory, memory)]


@pytest.mark.parametrize("grade, answer", GRADERS)
def test_accepts_the_library(grade, answer):
    assert grade(answer).passed, grade(answer)


@pytest.mark.parametrize("grade, answer, diagnosis", WRONG)
def test_names_the_mistake(grade, answer, diagnosis):
    verdict = grade(answer)
    assert not verdict.passed and diagnosis in verdict.message, verdict


@pytest.mark.parametrize("grade", [grade for grade, _ in GRADERS])
def test_broken_answers_are_verdicts(grade):
    def breaks(*_):
        raise KeyError("blocks")

    def unwritten(*_):
        raise NotImplementedError

    assert "None" in grade(lambda *_: None).message
    assert "KeyError" in grade(breaks).message
    assert "not written yet" in grade(unwritten).message
    assert not grade(lambda *_: torch.full((18,), torch.nan)).passed
