"""Keep every episode as a film, the arm beside its goal picture, with a table that says how each ended."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.write import write_clip
from minijepa.train.run import write_table
from minijepa_robot.act.play import Played
from minijepa_robot.act.seeing import SIZE
from minijepa_robot.sim.tasks import Task

FILM_SIZE = 2 * SIZE  # px, side of a film's picture; the goal beside it is shown as the model sees it, enlarged
FPS = 4  # actions a second
Row = dict[str, float | int | str]


def beside_goal(played: Played, task: Task) -> UInt8[Tensor, "3 f H 2*H"]:
    """Return the film of an episode as a clip: on the left what the arm does, on the right the last goal picture."""
    film = np.stack(played.film)
    goal = task.goal.pictures["side"]
    goal = np.kron(goal, np.ones((film.shape[1] // len(goal),) * 2 + (1,), dtype=np.uint8))
    both = np.concatenate((film, np.broadcast_to(goal, film.shape)), axis=2)
    return torch.from_numpy(both).permute(3, 0, 1, 2).contiguous()


def keep(folder: Path, name: str, tasks: Sequence[Task], episodes: Sequence[Played]) -> None:
    """Write NAME_000.mp4, … and NAME.csv, which says how each episode ended and how far from the goal."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for number, (task, played) in enumerate(zip(tasks, episodes)):
        film = write_clip(folder / f"{name}_{number:03}.mp4", beside_goal(played, task), FPS)
        row: Row = {"task": number, "kind": task.kind, "done": int(played.outcome.done), "outcome": played.outcome.name}
        rows.append(row | {"cm": round(100 * played.outcome.distance, 2), "ever": int(played.ever), "film": film.name})
    write_table(folder / f"{name}.csv", rows)
