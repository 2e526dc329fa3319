"""`make test` fails when a stage fails, goes on to the next, counts truly, and stops what hangs."""

import sys

from tests import everything

REPORT = '<testsuites><testsuite tests="7" failures="1" errors="2" skipped="1"/></testsuites>'


def say(text: str, status: int = 0) -> list[str]:
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"]


def test_a_failed_stage_is_told_and_does_not_stop_the_next(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(everything, "REPORTS", tmp_path)
    monkeypatch.setattr(everything, "STAGES", {"bad": [say("no", 3)], "good": [say("yes")]})
    assert everything.main([]) == 1
    said = capfd.readouterr().out
    assert "yes" in said and "===== 1 of 2 stages failed: no tests in " in said
    assert everything.main(["good"]) == 0
    assert everything.main(["nothing"]) == 2


def test_counts_come_from_the_report(tmp_path):
    (tmp_path / "a.xml").write_text(REPORT)
    assert everything.counts(tmp_path / "a.xml") == {"failed": 1, "passed": 3, "skipped": 1, "errors": 2}


def test_a_command_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(everything, "STAGE_MINUTES", 0.01)
    succeeded, peak = everything.run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not succeeded and 0 < peak < 16  # GB; a child begins with the size of the test process that starts it


def test_every_stage_names_what_exists():
    paths = [word for stage in everything.STAGES.values() for command in stage for word in command if word.startswith("tests/")]
    assert paths and all((everything.ROOT / path).exists() for path in paths)
