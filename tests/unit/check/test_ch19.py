"""The graders of chapter 19 accept the right answers and name what is wrong with others."""

import math

import pytest
import torch

from minijepa.check import ch19


def solve(inferred, true):
    return torch.linalg.lstsq(inferred, true).solution


def parts(matrix):
    u, scales, v = torch.linalg.svd(matrix)
    return u, scales, v, u @ v


def degrees(y, x):
    return float(torch.atan2(y, x).rad2deg())


def turn_of(matrix):
    turn = parts(matrix)[3]
    return degrees(turn[0, 1], turn[0, 0])


def boxed(place, way, low, high, step):
    return (place + way).clamp(low, high) - place


def scaled(way, step):
    return way * min(1.0, step / max(float(way.norm()), 1e-9))


def right(place, way, low, high, step):
    return scaled(boxed(place, way, low, high, step), step)


def test_right_answers_pass():
    assert ch19.calibration(solve).passed
    assert ch19.angle(turn_of).passed
    assert ch19.shorten(right).passed


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda a, b: solve(b, a), "exchange"),
        (lambda a, b: solve(a, b).T, "transpose"),
        (lambda a, b: solve(a[:2], b[:2]), "first two"),
        (lambda a, b: a.T @ b, "inverse"),
        (lambda a, b: parts(solve(a, b))[3], "only the turn"),
        (lambda a, b: torch.eye(2), "identity"),
        (lambda a, b: solve(a - a.mean(0), b - b.mean(0)), "means"),
        (lambda a, b: 1.1 * solve(a, b), "least-squares"),
        (lambda a, b: solve(a, b) * math.nan, "NaN"),
        (lambda a, b: None, "None"),
        (lambda a, b: a, "shape"),
        (lambda a, b: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_calibration(wrong, diagnosis):
    verdict = ch19.calibration(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda m: -turn_of(m), "other way round"),
        (lambda m: math.radians(turn_of(m)), "radians"),
        (lambda m: degrees(m[0, 1], m[0, 0]), "stretch"),
        (lambda m: float(parts(m)[3][0, 0].acos().rad2deg()), "acos"),
        (lambda m: float(parts(m)[3][0, 1].asin().rad2deg()), "front from back"),
        (lambda m: turn_of(m) + 1, "expected [30.0"),
        (lambda m: m, "one number"),
        (lambda m: math.nan, "NaN"),
        (lambda m: None, "None"),
        (lambda m: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_angle(wrong, diagnosis):
    verdict = ch19.angle(wrong)
    assert not verdict.passed and diagnosis in verdict.message


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda p, w, low, high, step: w, "nothing was shortened"),
        (lambda p, w, low, high, step: w.clamp(low, high), "clipped the WAY"),
        (lambda *a: a[0] + boxed(*a), "where the hand ends"),
        (boxed, "not the step"),
        (lambda p, w, low, high, step: scaled(w, step), "not the box"),
        (lambda *a: boxed(*a).clamp(-a[4], a[4]), "each axis"),
        (lambda *a: boxed(*a) * a[4] / boxed(*a).norm(), "must stay"),
        (lambda p, w, low, high, step: boxed(p, scaled(w, step), low, high, step), "scaled first"),
        (lambda *a: 0.5 * right(*a), "expected the end"),
        (lambda *a: right(*a) * math.nan, "NaN"),
        (lambda *a: None, "None"),
        (lambda *a: right(*a)[:2], "shape"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_shorten(wrong, diagnosis):
    verdict = ch19.shorten(wrong)
    assert not verdict.passed and diagnosis in verdict.message
