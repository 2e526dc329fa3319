"""Run all that continuous integration runs, stage by stage, and close with one line for everything.

    .venv/bin/python tests/everything.py            all stages
    .venv/bin/python tests/everything.py unit book  some of them

A stage that fails does not stop the others. For each stage the closing table gives its seconds and the peak memory of its
largest process. Nothing here needs a network.
"""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / ".test-reports"
PYTHON = sys.executable
STAGE_MINUTES = 40
ELSEWHERE = [
    "tests/notebooks",
    "tests/browser",
    "tests/benchmarks",
    "tests/robot/arm",
]  # they have a stage or a command of their own
ROBOT_CHAPTERS = "notebooks/1[6-9]_*.ipynb"  # need the extra `robot`; without it all else runs


def pytest(report: str, *arguments: str) -> list[str]:
    return [PYTHON, "-m", "pytest", f"--junitxml={REPORTS / report}.xml", *arguments]


def without_robot() -> list[str]:
    """Leave the chapters of the arm out where its packages are not installed."""
    missing = [name for name in ("mujoco", "pyarrow", "h5py") if find_spec(name) is None]
    if missing:
        print(f"{', '.join(missing)} not installed: chapters 16 to 19 are left out", flush=True)
    return [f"--ignore={path}" for path in sorted(ROOT.glob(ROBOT_CHAPTERS))] if missing else []


# xdist shares out whole files; notebooks run one after another, so that the bill of each stays true.
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
    "--nbval-cell-timeout=300",
]
STAGES = {
    "lint": [[PYTHON, "-m", "ruff", "check", "."], [PYTHON, "-m", "ruff", "format", "--check", "."]],
    "unit": [pytest("unit", "tests", *[f"--ignore={path}" for path in ELSEWHERE], "-q", "-n", "2", "--dist=loadfile")],
    # The arm's server and client want the cores for themselves.
    "arm": [pytest("arm", "tests/robot/arm", "-q", "-p", "no:xdist")],
    "notebooks": [
        pytest("notebooks-form", "tests/notebooks", "-q"),
        pytest("notebooks-run", "notebooks", *NBVAL, *without_robot(), "-q", "-p", "no:xdist", "--durations=10"),
    ],
    "book": [["make", "book"]],
    "browser": [pytest("browser", "tests/browser", "-q")],
}


def run(command: list[str]) -> tuple[bool, float]:
    """Run one command in a process group of its own; return (it succeeded, peak GB of its largest process)."""
    # One thread: the same sums in the same order as when the chapters were run, so that a trained number stays what it was.
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    deadline = time.monotonic() + 60 * STAGE_MINUTES
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, kB on Linux
            return os.waitstatus_to_exitcode(status) == 0, usage.ru_maxrss * unit / 1e9
        if time.monotonic() > deadline:
            print(f"over {STAGE_MINUTES} minutes, stopped: {' '.join(command)}", flush=True)
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.2)


def counts(report: Path) -> dict[str, int]:
    """Read how many tests passed, failed, broke and were skipped from a junit file of pytest."""
    total = {"failed": 0, "passed": 0, "skipped": 0, "errors": 0}
    for suite in ElementTree.parse(report).iter("testsuite"):
        tests, *others = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
        for key, value in zip(("failed", "errors", "skipped"), others):
            total[key] += value
        total["passed"] += tests - sum(others)
    return total


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(STAGES)
    if unknown:
        print(f"no stage {', '.join(sorted(unknown))}; there are: {', '.join(STAGES)}")
        return 2
    REPORTS.mkdir(exist_ok=True)
    for old in REPORTS.glob("*.xml"):
        old.unlink()
    start, rows, failures = time.monotonic(), [], 0
    for name in wanted or STAGES:
        print(f"\n######## {name}", flush=True)
        began = time.monotonic()
        results = [run(command) for command in STAGES[name]]
        good = all(succeeded for succeeded, _ in results)
        failures += not good
        rows.append((name, "ok" if good else "FAILED", time.monotonic() - began, max(peak for _, peak in results)))
    print("\nstage      result  seconds  peak GB")
    for name, result, seconds, peak in rows:
        print(f"{name:<10} {result:<7} {seconds:7.0f}  {peak:7.2f}")
    total = {key: 0 for key in ("failed", "passed", "skipped", "errors")}
    for report in REPORTS.glob("*.xml"):
        total = {key: total[key] + value for key, value in counts(report).items()}
    said = ", ".join(f"{value} {key}" for key, value in total.items() if value)
    verdict = f"{failures} of {len(rows)} stages failed" if failures else f"{len(rows)} stages ok"
    print(f"===== {verdict}: {said or 'no tests'} in {time.monotonic() - start:.2f}s =====")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
