"""What a run leaves on disk: a checkpoint to go on from, metrics to plot, and the final weights.

Every file is written beside its place and then renamed, so a kill at any moment leaves the last whole version.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from minijepa.files import replacing
from minijepa.model.weights import save
from minijepa.train.shard import gathered, gathered_network

PARTS = ("encoder", "predictor", "teacher", "optimiser")  # what a checkpoint of pretraining holds of the state


class RunFolder:
    """Save, restore and log one run; a run without a folder, or of another rank, leaves nothing."""

    def __init__(self, path: Path | None, settings: str, writes: bool, parts: Sequence[str] = PARTS) -> None:
        self.path, self.settings, self.writes = path, settings, writes and path is not None
        self.parts = parts
        self.seconds = 0.0  # spent before the checkpoint that was restored
        self.rows: list[dict[str, float | int]] = []

    def restore(self, state, start: Path | None = None) -> int:
        """Load the last checkpoint into the state, if there is one, and return its step.

        start: folder of another run to begin from where there is no checkpoint yet, see ``begin``.
        Raises ValueError if the checkpoint belongs to a run with other settings.
        """
        if self.writes:
            for part in self.path.glob(".*.part"):  # what a kill in the middle of writing left
                part.unlink()
        if self.path is None or not (self.path / "last.pt").exists():
            return 0 if start is None else begin(state, start)
        saved = torch.load(self.path / "last.pt", weights_only=True, map_location="cpu")
        if saved["settings"] != self.settings:
            there, asked = (set(settings.split(", ")) for settings in (saved["settings"], self.settings))
            raise ValueError(
                f"{self.path}: expected the settings of the run that it holds, {sorted(there - asked)}, "
                f"got {sorted(asked - there)}; go on with those of the run, or choose another folder"
            )
        for part in self.parts:
            getattr(state, part).load_state_dict(saved[part])
        self.seconds, self.rows = saved["seconds"], saved["rows"]
        return saved["step"]

    def log(self, row: dict[str, float | int]) -> None:
        """Add a row of metrics and write metrics.csv."""
        self.rows.append(row)
        if self.writes:
            write_table(self.path / "metrics.csv", self.rows)

    def save(self, state, seconds: float) -> None:
        """Write the checkpoint that the next start goes on from; processes that share a network all have to call."""
        parts = {part: gathered(getattr(state, part).state_dict(), self.writes) for part in self.parts}
        if not self.writes:
            return
        data = io.BytesIO()
        facts = {"settings": self.settings, "step": state.step, "seconds": seconds, "rows": self.rows}
        torch.save(parts | facts, data)
        replace_file(self.path / "last.pt", data.getvalue())

    def finish(self, state) -> None:
        """Write the weights that ``minijepa.load`` opens: the teacher as encoder, and the predictor."""
        for name, network in (("encoder", state.teacher), ("predictor", state.predictor)):
            whole = gathered_network(network, self.writes)
            if self.writes:
                save(whole, self.path / f"{name}.safetensors")


def begin(state, start: Path) -> int:
    """Take weights and moments from the last checkpoint of another run and return step 0: how a cooldown begins.

    Implements ``is_anneal`` of facebookresearch/vjepa2 ``app/vjepa/train.py``; rates, decay and betas are those of
    the new run. Raises ValueError if there is no checkpoint, or one of other networks.
    """
    if not (start / "last.pt").is_file():
        raise ValueError(f"{start}: expected the folder of a run, with its last.pt, got none; name the folder to begin from")
    saved = torch.load(start / "last.pt", weights_only=True, map_location="cpu")
    networks = f"encoder={state.encoder.config!r}, predictor={state.predictor.config!r}"
    if networks not in saved["settings"]:
        raise ValueError(f"{start}: expected a run of {networks}, got {saved['settings']}; choose the recipe of that size")
    for part in ("encoder", "predictor", "teacher"):
        getattr(state, part).load_state_dict(saved[part])
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": saved["optimiser"]["state"], "param_groups": groups})
    return 0


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows with equal keys as a CSV file."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    replace_file(path, text.getvalue().encode())


def replace_file(path: Path, data: bytes) -> None:
    """Write bytes beside the path and rename, so that readers see the old or the new file, never a part."""
    with replacing(path) as beside:
        beside.write_bytes(data)
