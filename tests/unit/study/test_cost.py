"""The cost of an encoder is measured for what is asked, and its file has a row a size and precision."""

import csv

from minijepa.study.cost import Cost, cost


def test_rows_say_what_was_measured(tmp_path):
    path = tmp_path / "cost.csv"
    rows = cost(Cost(sizes=("tiny", "small"), frames=4, crop=32, repeats=2, path=path))
    assert [(row["size"], row["precision"]) for row in rows] == [
        (size, precision) for size in ("tiny", "small") for precision in ("float32", "bfloat16")
    ]
    assert [row["tokens"] for row in rows] == [32, 32, 8, 8]
    assert rows[0]["parameters"] == 174_720 and rows[2]["weights_mb"] == 11 and rows[3]["weights_mb"] == 5
    assert all(0 < row["seconds"] < 5 for row in rows)
    assert [row["size"] for row in csv.DictReader(path.open())] == [row["size"] for row in rows]
