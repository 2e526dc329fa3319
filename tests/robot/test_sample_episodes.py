"""The episodes under data_samples open, are what their README says, and train."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="episodes on disk need pyarrow: pip install 'minijepa[robot]'")
pytest.importorskip("h5py", reason="episodes on disk need h5py: pip install 'minijepa[robot]'")

from minijepa_robot.data.dataset import EpisodeClips, Slicing, open_episodes  # noqa: E402
from minijepa_robot.data.dry_run import DryRun, examine  # noqa: E402
from minijepa_robot.data.episodes import actions  # noqa: E402

FOLDER = Path(__file__).parents[2] / "data_samples" / "episodes"
ROWS = re.findall(r"^\| (\d+) \| ([\w ]+)[^|]* \| (yes|no) \| ([\w, ]+) \|$", (FOLDER / "README.md").read_text(), re.M)


@pytest.fixture(scope="module")
def data():
    return open_episodes(FOLDER)


def test_they_are_few_and_small(data):
    assert len(data) == len(ROWS) == 8 and sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 3e6
    assert data.cameras == ("side", "wrist")


@pytest.mark.parametrize("number, task, lifted, things", ROWS)
def test_each_is_what_the_readme_says(data, number, task, lifted, things):
    found = data[int(number)]
    assert len(found) == 25 and found.task == task.strip() and found.success == (lifted == "yes")
    assert [thing["kind"] for thing in json.loads(found.truth.scene)["scene"]["things"]] == things.split(", ")
    assert found.success == bool((found.truth.places[:, 2] > 0.06).any())
    for camera in data.cameras:
        frames = found.videos[camera][np.array([0, 12, 24])]
        assert frames.shape == (3, 128, 128, 3) and frames.std() > 20 and (frames[0] != frames[2]).any()


def test_the_arm_follows_its_commands(data):
    told = np.concatenate([data[n].commands[:-1] for n in range(8)])
    done = np.concatenate([actions(data[n].states) for n in range(8)])
    assert np.abs(told[:, :3]).max() <= 0.075 + 1e-6 and np.median(np.linalg.norm((told - done)[:, :3], axis=1)) < 0.01


def test_they_pass_the_dry_run_and_train():
    assert {finding.level for finding in examine(DryRun(FOLDER))} == {"ok"}
    clip = EpisodeClips(FOLDER, ("wrist",), Slicing(size=64)).draw(0, 0, 0)
    assert clip.video.shape == (3, 8, 64, 64) and clip.actions.shape == (7, 7)
