"""The loader is measured in clips, and the need of GPUs follows from operations alone."""

import csv
from pathlib import Path

import pytest
import torch

from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import write_clip
from minijepa.train.batches import FileBatches
from minijepa.train.throughput import PEAK_TFLOPS, UTILISATION, Throughput, film, main, measure, measured_rows, needed

CLIP = FileBatches((), frames=4, fps=8, crop=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "a.mp4", sample(World.drift(frames=16), 1, split_generator("train", 3)).video[0], fps=8)
    return folder


def test_film_moves_and_is_rough():
    video = film(seconds=1, side=32)
    assert video.shape == (3, 30, 32, 42) and video.dtype == torch.uint8
    assert video[:, 0].float().std() > 20 and not torch.equal(video[:, 0], video[:, 5])
    assert torch.equal(video, film(seconds=1, side=32))


@pytest.mark.parametrize("workers", [0, 1])
def test_processor_time_of_workers_is_counted(folder, workers):
    seconds, processor = measure(FileBatches(folder, frames=4, fps=8, crop=256), batches=3, workers=workers)
    assert seconds > 0 and processor > 0.02  # 12 clips of 256 px; without the workers' share it would be near 0


def test_rows_say_how_many_clips(folder):
    rows = measured_rows("a", FileBatches(folder, 4, 8, 32), Throughput(workers=(0,), batches=2))
    assert [(row["source"], row["workers"], row["clips"]) for row in rows] == [("a", 0, 8)]
    assert rows[0]["clips_a_second"] > 0


def test_need_by_hand():
    row = needed("vit-l", clips_a_cpu_second=5.0, gpus=8)
    one = PEAK_TFLOPS * UTILISATION / row["tflop_a_clip"]
    assert row["clips_a_second_a_gpu"] == pytest.approx(one, rel=0.01)
    assert row["clips_a_second_8_gpus"] == pytest.approx(8 * one, rel=0.01) and row["cores_a_gpu"] == pytest.approx(
        one / 5, rel=0.02
    )
    assert 3 < row["tflop_a_clip"] < 5  # a teacher's forward alone is 1.66


def test_recipes_without_files_are_refused():
    with pytest.raises(SystemExit, match="reads video files"):
        main(Throughput(recipe="drift"))


def test_the_committed_table_is_whole():
    path = Path(__file__).parents[3] / "data_samples/runs/throughput/vit-l.csv"
    rows = list(csv.DictReader(path.open()))
    assert {(row["source"], row["workers"]) for row in rows} == {(s, w) for s in ("made film", "clips") for w in "012"}
    assert all(float(row["clips_a_cpu_second"]) > 0 and row["pixels"] == "256" for row in rows)
