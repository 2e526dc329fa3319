"""What a grader says: passed, or not yet and why. A wrong answer of a student never ends in a traceback."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """Say whether an exercise is solved, and what to look at if it is not."""

    passed: bool
    message: str

    def __repr__(self) -> str:
        return f"{'Passed' if self.passed else 'Not yet'}: {self.message}"


class NotYet(Exception):
    """Carry a finding about a student's answer out of a grader; its text becomes the verdict."""


def grader(grade: Callable[[Callable], str]) -> Callable[[Callable], Verdict]:
    """Turn ``grade(fn) -> praise``, which raises `NotYet` with a diagnosis, into a function that returns a `Verdict`.

    Whatever the student's function raises becomes a verdict, too.
    """

    @functools.wraps(grade)
    def verdict(fn: Callable) -> Verdict:
        try:
            return Verdict(True, grade(fn))
        except NotYet as finding:
            return Verdict(False, str(finding))
        except NotImplementedError:
            return Verdict(False, "the function is not written yet.")
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            return Verdict(False, f"your function raised {type(error).__name__}: {reason}")

    return verdict


def require(holds: bool | np.bool_ | Tensor, diagnosis: str) -> None:
    """Raise `NotYet` with a diagnosis unless a condition holds."""
    if not bool(holds):
        raise NotYet(diagnosis)


def require_tensor(answer: object, shape: tuple[int, ...], name: str = "the result") -> Tensor:
    """Return the answer if it is a tensor of the shape without NaN or infinity; raise `NotYet` otherwise."""
    require(answer is not None, f"{name} is None: is there a return statement?")
    require(isinstance(answer, Tensor), f"{name} should be a torch.Tensor, it is a {type(answer).__name__}.")
    require(tuple(answer.shape) == shape, f"{name} should have shape {shape}, it has {tuple(answer.shape)}.")
    require(torch.isfinite(answer).all(), f"{name} holds NaN or infinity: is something divided by zero?")
    return answer


def close(answer: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> bool:
    """Return whether two tensors agree to an absolute tolerance, whatever their types of number."""
    return answer.shape == wanted.shape and bool((answer.double() - wanted.double()).abs().max() <= tolerance)
