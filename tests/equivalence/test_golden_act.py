"""Acting gives the official code's numbers: the action-conditioned predictor, poses and a whole plan (stored outputs)."""

import pytest
from torch.testing import assert_close

from minijepa.config import ActionPredictorConfig
from minijepa.model.action_predictor import ActionPredictor
from tests.equivalence.golden import case, data, fill, output

CLOSE = {"atol": 1e-5, "rtol": 0.0}


@pytest.fixture(scope="module")
def predictor() -> ActionPredictor:
    sizes = case("ac")
    model = ActionPredictor(ActionPredictorConfig(sizes["dim"], sizes["pdim"], sizes["depth"], sizes["heads"])).eval()
    fill(model, "ac")
    return model.requires_grad_(False)


def test_action_predictor(predictor):
    sizes = case("ac")
    side, t = sizes["size"] // 16, sizes["steps"]
    frames = data("devac/z", (2, t * side * side, sizes["dim"]))
    actions, states = data("devac/actions", (2, t, 7), 0.1), data("devac/states", (2, t, 7), 0.5)
    assert_close(predictor(frames, actions, states, (side, side)), output("ac/out"), **CLOSE)
