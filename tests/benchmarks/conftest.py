"""Collect what the benchmarks compared, and print it as one table at the end of `make bench`."""

import os
import platform

import pytest
import torch

from tests.benchmarks.side_by_side import Comparison

FOUND = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[FOUND] = []


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.bench)


@pytest.fixture
def report(request):
    """Give a function that takes a Comparison, or a line of text, for the table at the end; it returns what it took."""

    def add(found: Comparison | str):
        request.config.stash[FOUND].append(str(found))
        return found

    return add


def pytest_terminal_summary(terminalreporter, config):
    if not config.stash[FOUND]:
        return
    terminalreporter.section("side by side")
    terminalreporter.line(
        f"torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores, one thread, CPU time, medians"
    )
    for line in config.stash[FOUND]:
        terminalreporter.line(line)
