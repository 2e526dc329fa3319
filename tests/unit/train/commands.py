"""Start commands that train in processes of their own, end them, and read what they wrote."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
SECONDS = 240  # a subprocess that takes longer hangs


def start(*arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *launcher, *arguments], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    try:
        _, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, errors


def metrics(folder: Path) -> list[dict[str, str]]:
    path = folder / "metrics.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


def kill_on_the_way(process: subprocess.Popen, folder: Path, rows: int = 8) -> None:
    """Kill a run as soon as its metrics have that many rows; fail if it was over by then."""
    deadline = time.monotonic() + SECONDS
    while len(metrics(folder)) < rows and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)  # the smallest runs are soon over
    process.send_signal(signal.SIGKILL)
    assert process.wait(SECONDS) == -signal.SIGKILL, "the run was over before it could be killed"
    process.stderr.close()
