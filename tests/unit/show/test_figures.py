"""Figures show what they are given, leave the caller's style alone, and refuse what they cannot show."""

import io

import matplotlib
import numpy as np
import pytest
import torch

from minijepa.show import dataflow, figures, style, tokens


def ink(figure):
    """Return the drawn pixels (height, width, 3) as floats."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=40)
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, 4).astype(float)[:, :3]


def rgb(colour):
    """Return "#RRGGBB" as three numbers."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def strength(pixels):
    """Sum how far every pixel is from white."""
    return (255 - pixels).sum()


@pytest.mark.parametrize("part", dataflow.PARTS)
def test_one_lit_part_is_paler_than_all_and_differs_from_the_others(part):
    full, one = ink(dataflow.dataflow()), ink(dataflow.dataflow(part))
    other = ink(dataflow.dataflow("video" if part != "video" else "loss"))
    assert strength(one) < 0.8 * strength(full)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("part", dataflow.PARTS)
def test_only_the_box_of_the_lit_part_has_its_full_colour(part):
    boxes = {"encoder": style.ONLINE, "predictor": style.PREDICTOR, "target": style.TARGET, "loss": style.LOSS}
    pixels = ink(dataflow.dataflow(part))
    full = {name for name, colour in boxes.items() if (pixels == rgb(colour)).all(1).sum() > 300}
    assert full == {part} & set(boxes)


def test_several_parts_light_more_than_one_of_them():
    assert strength(ink(dataflow.dataflow(("target", "loss")))) > strength(ink(dataflow.dataflow("target")))


@pytest.mark.parametrize("lit", ["decoder", (), ("loss", "decoder")])
def test_dataflow_names_its_parts_when_asked_for_another(lit):
    with pytest.raises(ValueError, match="predictor"):
        dataflow.dataflow(lit)


def test_masks_are_painted_where_the_ids_say():
    figure = figures.show_masks(torch.tensor([0, 5]), (2, 2, 2), torch.tensor([3]))
    first, second = figure.axes
    fills = [matplotlib.colors.to_hex(p.get_facecolor()).upper() for p in (*first.patches, *second.patches)]
    assert [k for k, fill in enumerate(fills) if fill == style.ONLINE] == [0, 5]
    assert [k for k, fill in enumerate(fills) if fill == style.PREDICTOR] == [3]


def test_large_grids_are_painted_without_gaps():
    figure = figures.show_masks(torch.tensor([0, 143]), (1, 12, 12), torch.tensor([13]))
    image = figure.axes[0].images[0].get_array()
    fills = [matplotlib.colors.to_hex(colour).upper() for colour in image.reshape(-1, 3)]
    assert [k for k, fill in enumerate(fills) if fill == style.ONLINE] == [0, 143]
    assert [k for k, fill in enumerate(fills) if fill == style.PREDICTOR] == [13]


def test_ids_outside_the_grid_are_refused():
    with pytest.raises(ValueError, match="0 to 7"):
        figures.show_masks(torch.tensor([8]), (2, 2, 2))


def test_band_spans_the_seeds_and_line_is_their_mean():
    values = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 6.0]])
    ax = figures.curves(np.array([0, 1]), {"JEPA": values}, ("step", "accuracy")).axes[0]
    assert ax.lines[0].get_ydata().tolist() == [1.0, 3.0]
    assert matplotlib.colors.to_hex(ax.lines[0].get_color()).upper() == style.ONLINE
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0.0 and band[:, 1].max() == 6.0


def test_a_bar_outside_its_interval_is_refused():
    figures.bars({"JEPA": (0.5, 0.4, 0.6)}, "share")
    with pytest.raises(ValueError, match="low <= value <= high"):
        figures.bars({"JEPA": (0.7, 0.4, 0.6)}, "share")


def test_drawing_leaves_the_callers_style_alone():
    with matplotlib.rc_context({"font.size": 7.0}):
        figures.heat_map(torch.eye(3), "x", "y", "z")
        assert matplotlib.rcParams["font.size"] == 7.0
        style.use_style()
        assert matplotlib.rcParams["font.size"] != 7.0


def test_equal_tokens_take_equal_colours_whatever_the_clip():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(3, 8, generator=generator)
    which = torch.randint(3, (2, 8), generator=generator)
    colours = tokens.token_colours(codes[which], (2, 2, 2)).permute(0, 2, 3, 4, 1).reshape(16, 3)
    for code in range(3):
        assert len(colours[which.flatten() == code].unique(dim=0)) == 1
    assert len(colours.unique(dim=0)) == 3


def test_upsampled_picture_repeats_every_token_over_its_tubelet():
    picture = torch.arange(24, dtype=torch.uint8).reshape(3, 2, 2, 2)
    clip = tokens.upsample(picture, tubelet=2, patch=4)
    assert clip.shape == (3, 4, 8, 8)
    assert (clip[:, 2:, :4, 4:] == picture[:, 1, 0, 1].reshape(3, 1, 1, 1)).all()
