"""The tables that comparisons write come back as curves, seed by seed."""

import numpy as np
import pytest

from minijepa.study.compare import read_curves
from minijepa.train.run import write_table


def rows(seed):
    return [
        {
            "step": step,
            "cpu_seconds": 2.0 * step + seed,
            "label": label,
            "labelled_clips": count,
            "accuracy": step / 1000 + seed,
        }
        for step in (0, 100)
        for label in ("direction", "speed")
        for count in (250, 4000)
    ]


def test_curves_hold_the_asked_label_of_every_seed(tmp_path):
    for seed in range(3):
        write_table(tmp_path / "drift" / f"jepa_s{seed}.csv", rows(seed))
    curves = read_curves(tmp_path, "drift", "jepa", "speed", 250)
    assert curves.steps.tolist() == [0, 100]
    np.testing.assert_allclose(curves.accuracy, [[0, 0.1], [1, 1.1], [2, 2.1]])
    np.testing.assert_allclose(curves.cpu_seconds, [[0, 200], [1, 201], [2, 202]])


def test_an_arm_without_files_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="--arm pixels"):
        read_curves(tmp_path, "drift", "pixels", "direction")
