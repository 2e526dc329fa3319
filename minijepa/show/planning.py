"""Figures about planning: which part of a planner fails, and by which evidence."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from minijepa.show.style import FAINT, INK, LOSS, ONLINE, PREDICTOR, TARGET, UNTRAINED, Picture, canvas, house_style
from minijepa.study.fault import ARMS, Diagnosis

ARM_COLOURS = dict(zip(ARMS, (TARGET, ONLINE, PREDICTOR, LOSS, UNTRAINED)))
LABELS = {
    "both oracle": "true dynamics, true distance",
    "learnt energy": "true dynamics, learnt energy",
    "learnt dynamics": "learnt dynamics, true distance",
    "both learnt": "both learnt",
    "random": "random actions",
}
SENTENCES = {
    "nobody": "Nothing fails: both learnt parts do as well as the truth.",
    "planner": "The planner fails: it does not get there even with true dynamics and true distance.",
    "encoder": "The encoder fails: its distance, or what can be read from it, leads astray.",
    "model": "The world model fails: with its dynamics even the true distance does not help.",
    "encoder and model": "Encoder and world model fail, each by itself.",
    "encoder and model together": "Each part does with the other one true; together they fail: the planner exploits the model.",
}


@house_style()
def show_fault(found: Diagnosis, unit: str) -> Picture:
    """Show the success of every arm, where the energy still ranks actions, and how far predictions flatter, under the verdict.

    Args:
        found: the result of ``study.fault.find_fault``.
        unit: of the world's distances, for the axis of goal distance.
    """
    figure, axes = canvas((11.0, 3.7), 1, 3)
    figure.suptitle(SENTENCES[found.culprit], x=0.01, ha="left", fontsize=12, weight="bold")
    _success(axes[0, 0], found)
    _ranks(axes[0, 1], found, unit)
    _gaps(axes[0, 2], found.gaps)
    return figure


def _success(ax: Axes, found: Diagnosis) -> None:
    for k, (arm, rate) in enumerate(found.success.items()):
        ax.barh(k, rate, height=0.62, color=ARM_COLOURS[arm])
        ax.annotate(f"{rate:.2f}", (rate, k), (5, 0), textcoords="offset points", va="center", fontsize=10)
    count = sum(row["arm"] == "random" for row in found.episodes)
    ax.set(yticks=range(len(found.success)), yticklabels=[LABELS[arm] for arm in found.success], xlim=(0, 1.18))
    ax.set(xlabel=f"share of {count} episodes that end at the goal", title="who gets there?")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)


def _ranks(ax: Axes, found: Diagnosis, unit: str) -> None:
    for row in found.ranks:
        ax.plot([row["low"], row["high"]], [row["rank_correlation"]] * 2, color=ONLINE, linewidth=5, solid_capstyle="round")
    ax.axhline(0, color=INK, linewidth=1.0)
    ax.set(
        ylim=(-1.05, 1.05),
        xlabel=f"distance to the goal ({unit})",
        ylabel="rank correlation",
        title="does energy rank actions?",
    )


def _gaps(ax: Axes, gaps: Sequence[dict[str, float | int | str]]) -> None:
    steps = sorted({int(row["step"]) for row in gaps})
    ax.scatter([row["step"] for row in gaps], [row["gap"] for row in gaps], s=10, color=FAINT)
    ax.plot(steps, [np.mean([row["gap"] for row in gaps if row["step"] == step]) for step in steps], color=LOSS)
    ax.axhline(0, color=INK, linewidth=1.0)
    ax.set(xlabel="action of the episode", ylabel="predicted - real energy\n(below 0: too hopeful)", title="exploit gap")
