"""The listing is the library's own text, with its place."""

import pytest

from minijepa.model import rope
from minijepa.model.transformer import Block
from minijepa.show.source import source


def test_listing_is_the_source_with_its_place():
    listing = source(rope.axis_width)
    assert listing.place == "minijepa/model/rope.py"
    assert repr(listing).startswith("def axis_width(") and '"""' in repr(listing)
    assert "```python\ndef axis_width(" in listing._repr_markdown_()


def test_methods_lose_their_indentation_and_docstrings_can_be_left_out():
    text = repr(source(Block.forward, docstrings=False))
    assert text.startswith("def forward(") and '"""' not in text and "\n    return x + self.mlp" in text


def test_several_things_are_shown_in_order():
    text = repr(source(rope.rotate, rope.axis_width))
    assert text.index("def rotate(") < text.index("def axis_width(")


def test_nothing_to_show_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        source()
