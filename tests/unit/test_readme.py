"""What the README shows is what the package does."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_api_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(block, names)  # our own text
    assert names["features"].shape == (4, 64, 64)
    assert names["clips"].video.shape == (4, 3, 8, 32, 32)
    assert len([line for line in block.splitlines() if line]) <= 15


def test_linked_files_exist():
    targets = re.findall(r"\]\(([^)#\s]+)\)", README)
    missing = [t for t in targets if not t.startswith(("http", "TODO")) and not (ROOT / t).exists()]
    assert len(targets) > 3 and not missing, missing


def test_named_paths_exist():
    named = re.findall(r"`((?:scripts|tests|minijepa|notebooks|data_samples|book)/[\w./-]*)`", README)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert named and not missing, missing
