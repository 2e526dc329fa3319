"""A verdict never throws, whatever the student's function does, and says what is wrong."""

import pytest
import torch

from minijepa import check
from minijepa.check.verdict import Verdict, close, grader, require, require_tensor


@grader
def double(fn):
    x = torch.arange(3.0)
    answer = require_tensor(fn(x), (3,))
    require(not close(answer, x), "you returned the input")
    require(close(answer, 2 * x), "that is not twice the input")
    return "twice the input"


def raises(x):
    raise KeyError("no such key")


def unwritten(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    "fn, part",
    [
        (lambda x: x, "returned the input"),
        (lambda x: 3 * x, "not twice"),
        (lambda x: None, "return statement"),
        (lambda x: [0.0, 2.0, 4.0], "torch.Tensor"),
        (lambda x: torch.zeros(2), "shape (3,)"),
        (lambda x: x / 0, "NaN"),
        (raises, "KeyError"),
        (unwritten, "not written"),
    ],
)
def test_wrong_answers_get_their_diagnosis(fn, part):
    verdict = double(fn)
    assert not verdict.passed and part in verdict.message


def test_right_answer_passes():
    assert double(lambda x: x + x) == Verdict(True, "twice the input")
    assert repr(double(lambda x: x + x)) == "Passed: twice the input"
    assert repr(double(lambda x: x)).startswith("Not yet: ")


def test_close_compares_shape_and_value():
    assert close(torch.ones(2), torch.ones(2, dtype=torch.float64))
    assert not close(torch.ones(2), torch.ones(1)) and not close(torch.ones(2), torch.tensor([1.0, 1.1]))


def test_unknown_chapter_is_an_attribute_error():
    assert not hasattr(check, "ch99") and not hasattr(check, "nothing")
