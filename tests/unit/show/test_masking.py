"""Hidden tubelets are painted over, and nothing else is."""

import pytest
import torch

from minijepa.show import style
from minijepa.show.masking import hide

GRID = (2, 2, 3)
VIDEO = torch.arange(3 * 4 * 8 * 12).remainder(251).to(torch.uint8).view(3, 4, 8, 12)


def test_kept_tubelets_stay_and_the_others_take_their_colour():
    shown = hide(VIDEO, torch.tensor([0, 7]), GRID, torch.tensor([5]))
    assert torch.equal(shown[:, :2, :4, :4], VIDEO[:, :2, :4, :4])  # id 0
    assert torch.equal(shown[:, 2:, :4, 4:8], VIDEO[:, 2:, :4, 4:8])  # id 7: step 1, row 0, column 1
    assert "#{:02X}{:02X}{:02X}".format(*shown[:, 0, 4, 8].tolist()) == style.PREDICTOR  # id 5: row 1, column 2
    assert "#{:02X}{:02X}{:02X}".format(*shown[:, 0, 0, 4].tolist()) == style.FAINT


def test_grid_must_divide_the_clip():
    with pytest.raises(ValueError, match="divides"):
        hide(VIDEO, torch.tensor([0]), (2, 3, 3))
