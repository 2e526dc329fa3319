"""Weights in the released layouts load into ours and compute what transformers computes; ours come back through transformers.

Random weights of full-size ViT-L, written as the original ``.pt`` files and as a folder of transformers: float32, at most 1e-5.
ViT-H and ViT-g are in large.py (`make verify-large`). The released layouts are those of ../shared/reference/vjepa2.md §8.
"""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from minijepa import load, save
from minijepa.config import EncoderConfig
from minijepa.model.weights import save_for_transformers
from tests.equivalence import released


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write transformers' ViT-L classifier with random weights in both released layouts; the files go when the tests are done."""
    folder = tmp_path_factory.mktemp("vit_l")
    yield released.write(folder, EncoderConfig.vit_l(), "vitl.pt", "ssv2-vitl-16x2x3.pt", classes=174)
    for path in folder.rglob("*"):
        path.unlink() if path.is_file() else None


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("layout", ["transformers", "original"])
def test_full_size_vit_l(large, layout):
    parts = released.load_parts(large, layout)
    released.compare(large, parts)


@pytest.mark.slow
@torch.no_grad()
def test_full_size_vit_l_goes_back_to_transformers(large, tmp_path):
    encoder, predictor, probe = released.load_parts(large, "original")
    folder = save_for_transformers(tmp_path / "back", encoder, predictor, probe)
    released.compare_folder(large, folder)
