"""Bound and measure what may not hang, and bring a server to a state."""

import time
from contextlib import contextmanager

from minijepa_robot.arm.franka import FrankaArm
from minijepa_robot.arm.limits import Limits


@contextmanager
def at_most(seconds):
    """Fail if the block takes longer; each call inside ends by itself, this says when."""
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    print(f"took {took:.2f} s of {seconds}")
    assert took < seconds, f"expected at most {seconds} s, took {took:.2f} s"


def slow_arm(server, stop=None, **limits):
    """Connect with motions so slow that a step of 5 cm takes seconds: failures can come in the middle of it."""
    return FrankaArm(server.host, "simulation", Limits(**limits), stop, dynamics=0.01)


def eventually(condition, seconds=5.0):
    """Wait until a condition holds; tell whether it does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False
