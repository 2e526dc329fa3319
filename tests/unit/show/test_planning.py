"""The picture of a diagnosis says what the diagnosis says."""

from typing import get_args

import pytest

from minijepa.show.planning import ARM_COLOURS, LABELS, SENTENCES, show_fault
from minijepa.study.fault import ARMS, Culprit, Diagnosis


def diagnosis(culprit: Culprit) -> Diagnosis:
    success = dict(zip(ARMS, (1.0, 0.5, 0.9, 0.4, 0.1)))
    episodes = [{"arm": arm, "episode": k, "start": 1.0, "end": 0.5} for arm in ARMS for k in range(3)]
    ranks = [{"goal": "near", "low": 0.1, "high": 0.4, "pairs": 2, "rank_correlation": 0.8}]
    ranks += [{"goal": "far", "low": 0.5, "high": 0.9, "pairs": 1, "rank_correlation": -0.1}]
    gaps = [{"episode": k, "step": step, "gap": -0.1 * step - k} for k in range(3) for step in range(4)]
    return Diagnosis(culprit, success, episodes, ranks, gaps, 0.01)


@pytest.mark.parametrize("culprit", get_args(Culprit))
def test_the_title_names_the_culprit(culprit):
    figure = show_fault(diagnosis(culprit), "m")
    assert figure.get_suptitle() == SENTENCES[culprit]
    word = {"nobody": "Nothing", "model": "world model"}.get(culprit, culprit.split()[0])
    assert word.lower() in figure.get_suptitle().lower() or culprit == "encoder and model together"


def test_the_numbers_are_drawn():
    bars, ranks, gaps = show_fault(diagnosis("encoder"), "cm").axes
    assert [bar.get_width() for bar in bars.patches] == [1.0, 0.5, 0.9, 0.4, 0.1]
    assert [label.get_text() for label in bars.get_yticklabels()] == [LABELS[arm] for arm in ARMS]
    assert "3 episodes" in bars.get_xlabel() and "(cm)" in ranks.get_xlabel()
    assert [line.get_ydata()[0] for line in ranks.lines[:2]] == [0.8, -0.1]
    assert gaps.lines[0].get_ydata()[3] == pytest.approx(-1.3) and len(gaps.collections[0].get_offsets()) == 12
    assert set(ARM_COLOURS) == set(ARMS) and len(set(ARM_COLOURS.values())) == 5
