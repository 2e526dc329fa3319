"""A grader answers in words, whatever the student's function does."""

import pytest
import torch

from minijepa import check
from minijepa.check.verdict import Verdict, expect, expect_tensor, judge


def test_repr_says_the_verdict():
    assert repr(Verdict(True, "each row is cut")) == "Passed: each row is cut"
    assert repr(Verdict(False, "rows differ")) == "Not yet: rows differ"


def raises():
    raise RuntimeError("size mismatch")


def unwritten():
    raise NotImplementedError


@pytest.mark.parametrize(
    "examine, words",
    [
        (raises, "RuntimeError: size mismatch"),
        (unwritten, "not written yet"),
        (lambda: expect(False, "you sampled time too"), "you sampled time too"),
        (lambda: expect_tensor(None, (2, 3)), "None"),
        (lambda: expect_tensor([1], (1,)), "is a list"),
        (lambda: expect_tensor(torch.zeros(3, 2), (2, 3)), r"has shape (3, 2), expected (2, 3)"),
        (lambda: expect_tensor(torch.tensor([0.0, torch.nan]), (2,)), "NaN"),
    ],
)
def test_whatever_happens_becomes_a_diagnosis(examine, words):
    verdict = judge(examine)
    assert not verdict.passed and words in verdict.message


def test_judge_passes_praise_on():
    assert judge(lambda: "right") == Verdict(True, "right")


def test_chapters_are_found_by_name():
    with pytest.raises(AttributeError, match="no graders for 'ch99'"):
        check.ch99  # noqa: B018
    with pytest.raises(AttributeError, match="ch00"):
        check.masks  # noqa: B018
