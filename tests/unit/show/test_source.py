"""Source is shown from the package itself."""

import pytest

from minijepa.show.source import source
from minijepa.train.masks import MultiBlock


def test_method_is_shown_without_its_indentation():
    text = repr(source(MultiBlock.draw))
    assert text.startswith("def draw(self") and "\n    size = self.block_size" in text


def test_notebook_gets_colours():
    assert "<span" in source(MultiBlock)._repr_html_()


def test_what_has_no_file_is_refused():
    with pytest.raises(ValueError, match="Python file"):
        source(len)
