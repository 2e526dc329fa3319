"""Collect what the benchmarks compared, print it as one table at the end of `make bench`, and keep it in results.md."""

import datetime
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.benchmarks.side_by_side import Comparison

FOUND = pytest.StashKey[list]()
RESULTS = Path(__file__).parent / "results.md"


def pytest_configure(config):
    config.stash[FOUND] = []


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.bench)


@pytest.fixture
def report(request) -> Callable[[Comparison | str], Comparison | str]:
    """Give a function that takes a Comparison, or a line of text, for the table at the end; it returns what it took."""

    def add(found: Comparison | str):
        request.config.stash[FOUND].append(str(found))
        return found

    return add


@pytest.fixture
def hold(report) -> Callable[[Comparison, float], None]:
    """Give a function that reports a Comparison beside its goal and fails below it."""

    def judge(found: Comparison, goal: float) -> None:
        report(f"{found} goal {goal:.2f}x")
        assert found.ratio >= goal, f"{found}: the goal is {goal}x"

    return judge


def machine() -> str:
    """Name what was measured on."""
    names = [line.split(":")[1].strip() for line in cpu_lines() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def pytest_terminal_summary(terminalreporter, config, exitstatus):
    found = config.stash[FOUND]
    if not found:
        return
    heading = f"{machine()}; one thread, interleaved rounds, CPU time of the process, medians"
    terminalreporter.section("side by side")
    for line in (heading, *found):
        terminalreporter.line(line)
    if config.args == ["tests/benchmarks"] and not config.option.keyword and exitstatus == 0:  # what `make bench` runs
        today = datetime.date.today()
        lines = ["# The last whole `make bench`", "", f"{today}, {heading}", "", "```", *found, "```"]
        RESULTS.write_text("\n".join(lines) + "\n")
