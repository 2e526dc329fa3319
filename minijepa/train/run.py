"""What a run leaves on disk: a checkpoint to go on from, metrics to plot, and the final weights.

Every file is written beside its place and then renamed, so a kill at any moment leaves the last whole version.
"""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from minijepa.model.weights import save

PARTS = ("encoder", "predictor", "teacher", "optimiser")  # what a checkpoint holds of the state


class RunFolder:
    """Save, restore and log one run; a run without a folder, or of another rank, leaves nothing."""

    def __init__(self, path: Path | None, settings: str, writes: bool) -> None:
        self.path, self.settings, self.writes = path, settings, writes and path is not None
        self.seconds = 0.0  # spent before the checkpoint that was restored
        self.rows: list[dict[str, float | int]] = []

    def restore(self, state) -> int:
        """Load the last checkpoint into the state, if there is one, and return its step.

        Raises ValueError if it belongs to a run with other settings.
        """
        if self.writes:
            for part in self.path.glob(".*.part"):  # what a kill in the middle of writing left
                part.unlink()
        if self.path is None or not (self.path / "last.pt").exists():
            return 0
        saved = torch.load(self.path / "last.pt", weights_only=True)
        if saved["settings"] != self.settings:
            there, asked = (set(settings.split(", ")) for settings in (saved["settings"], self.settings))
            raise ValueError(
                f"{self.path}: expected the settings of the run that it holds, {sorted(there - asked)}, "
                f"got {sorted(asked - there)}; go on with those of the run, or choose another folder"
            )
        for part in PARTS:
            getattr(state, part).load_state_dict(saved[part])
        self.seconds, self.rows = saved["seconds"], saved["rows"]
        return saved["step"]

    def log(self, row: dict[str, float | int]) -> None:
        """Add a row of metrics and write metrics.csv."""
        self.rows.append(row)
        if self.writes:
            write_table(self.path / "metrics.csv", self.rows)

    def save(self, state, seconds: float) -> None:
        """Write the checkpoint that the next start goes on from."""
        if not self.writes:
            return
        data = io.BytesIO()
        parts = {part: getattr(state, part).state_dict() for part in PARTS}
        facts = {"settings": self.settings, "step": state.step, "seconds": seconds, "rows": self.rows}
        torch.save(parts | facts, data)
        replace_file(self.path / "last.pt", data.getvalue())

    def finish(self, state) -> None:
        """Write the weights that ``minijepa.load`` opens: the teacher as encoder, and the predictor."""
        if self.writes:
            save(state.teacher, self.path / "encoder.safetensors")
            save(state.predictor, self.path / "predictor.safetensors")


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows with equal keys as a CSV file."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    replace_file(path, text.getvalue().encode())


def replace_file(path: Path, data: bytes) -> None:
    """Write bytes beside the path and rename, so that readers see the old or the new file, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
