"""The dry run finds what is wrong with a copy, and says it in words and in its exit status; folders of pictures are read."""

import subprocess
import sys

import pytest
import torch

from minijepa.data.sets.__main__ import main
from minijepa.data.sets.check import SETS, check
from minijepa.data.sets.pictures import decode_pictures, list_pictures
from minijepa.data.video import VideoError
from tests.unit.data.sets import made_sets

COUNTS = {  # samples and videos a split
    "ssv2": {"train": (2, 2), "validation": (1, 1), "test": (2, 2)},
    "kinetics": {"train": (3, 3), "validation": (2, 2)},
    "diving48": {"train": (3, 3), "test": (2, 2)},
    "jester": {"train": (2, 2), "validation": (1, 1), "test": (2, 2)},
    "epic_kitchens": {"train": (3, 2), "validation": (2, 1)},
}


@pytest.mark.parametrize("name", SETS)
def test_a_whole_copy_is_whole(tmp_path, name, capsys):
    root = getattr(made_sets, name)(tmp_path / name)
    report = check(name, root)
    assert report.usable and {s.split: (s.samples, s.videos) for s in report.splits} == COUNTS[name]
    assert all(split.opened == split.videos for split in report.splits)
    assert report.classes == (2 if name == "kinetics" else 3)
    assert main(["check", "--dataset", name, "--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines() == report.lines() and text.endswith("verdict: whole\n") and "!" not in text


def test_what_is_missing_or_broken_is_named(tmp_path, capsys):
    root = made_sets.ssv2(tmp_path / "ssv2")
    videos = root / "20bn-something-something-v2"
    (videos / "36585.webm").unlink()
    (videos / "117478.webm").write_text("no video")
    (root / "labels" / "test.json").write_text("[{")
    assert main(["check", "--dataset", "ssv2", "--root", str(root)]) == 1
    train, gone, validation, unreadable, test, broken, verdict = capsys.readouterr().out.splitlines()[1:]
    assert train == "  train: samples 2, classes 2, videos found 1 of 2, opened 1"
    assert gone == f"  ! missing: {videos / '36585.webm'}"
    assert validation.endswith("videos found 1 of 1, opened 1") and "117478.webm: cannot be read as video" in unreadable
    assert test == "  test: not read" and "test.json: is broken JSON" in broken and verdict.startswith("verdict: not whole")


def test_many_missing_videos_are_counted(tmp_path):
    root = made_sets.kinetics(tmp_path / "k")
    (root / "train.csv").write_text("".join(f"gone/{i}.mp4 {i}\n" for i in range(9)))
    report = check("kinetics", root, ["train"])
    assert len(report.splits[0].missing) == 9 and report.splits[0].opened == 0 and not report.usable
    assert report.lines()[2:] == [
        *(f"  ! missing: {root / 'gone' / f'{i}.mp4'}" for i in range(3)),
        "  ! missing: 6 more",
        "verdict: not whole: see the lines that begin with '!'",
    ]


def test_few_videos_are_opened_and_the_seed_chooses_them(tmp_path):
    root = made_sets.diving48(tmp_path / "d")
    for path in (root / "rgb").iterdir():
        path.write_text("no video")
    named = {check("diving48", root, ["train"], samples=1, seed=seed).splits[0].problems for seed in range(12)}
    assert {len(problems) for problems in named} == {1} and len(named) == 3
    assert check("diving48", root, ["train"], samples=0).usable


def test_the_dropped_rows_are_a_note_and_no_fault(tmp_path):
    report = check("epic_kitchens", made_sets.epic_kitchens(tmp_path / "ek"))
    assert report.usable and "1 validation rows have a (verb, noun) pair unseen in training" in report.notes[0]
    assert "P22_107_2" in report.notes[0]
    assert not check("epic_kitchens", tmp_path / "nowhere").notes


def test_unknown_names_are_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(ValueError, match="expected one of ssv2, kinetics"):
        check("imagenet", tmp_path)
    with pytest.raises(SystemExit, match="error: check: expected splits of diving48 among train, test, got 'validation'"):
        main(["check", "--dataset", "diving48", "--root", str(tmp_path), "--splits", "validation"])
    assert main(["layout", "--dataset", "jester"]) == 0 and "20bn-jester-v1/<id>/00001.jpg" in capsys.readouterr().out


def test_the_command_runs_as_the_book_says(tmp_path):
    root = made_sets.kinetics(tmp_path / "k")
    command = [sys.executable, "-m", "minijepa.data.sets", "check", "--dataset", "kinetics", "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "verdict: whole" in done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    for i in range(12):
        made_sets.picture(tmp_path / "9" / f"{i + 1:05d}.jpg", 20 * i)
    return tmp_path / "9"


def test_pictures_are_read_in_the_order_of_their_numbers(folder):
    (folder / "00002.jpg").rename(folder / "2.jpg")  # by number, not by name
    video = decode_pictures(folder, [1, 11, 0, 0])
    assert video.shape == (3, 4, 32, 32) and video.dtype == torch.uint8
    grey = video.float().mean((0, 2, 3))
    assert torch.allclose(grey, torch.tensor([20.0, 220.0, 0.0, 0.0]), atol=2)
    assert decode_pictures(folder).shape[1] == 12


def test_bad_folders_of_pictures(folder, tmp_path):
    with pytest.raises(VideoError, match="has 12 pictures, but number 12 was asked for"):
        decode_pictures(folder, [0, 12])
    with pytest.raises(VideoError, match="but none was asked for"):
        decode_pictures(folder, [])
    with pytest.raises(VideoError, match="is not a folder"):
        list_pictures(tmp_path / "nowhere")
    (folder / "00003.jpg").write_text("no picture")
    with pytest.raises(VideoError, match="00003.jpg: "):
        decode_pictures(folder, [2])
    made_sets.picture(folder / "00003.jpg", 0, size=16)
    with pytest.raises(VideoError, match="different sizes"):
        decode_pictures(folder, [1, 2])
    (folder / "00003.jpg").unlink()
    with pytest.raises(VideoError, match="11 pictures, numbered 1 to 12: some are missing"):
        list_pictures(folder)
    (folder / "cover.jpg").touch()
    with pytest.raises(VideoError, match="'cover.jpg', whose name is no number"):
        list_pictures(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="holds no picture"):
        list_pictures(tmp_path / "empty")
