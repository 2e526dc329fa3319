"""Frozen tokens are computed once: segments beside each other, views apart, and a killed run goes on."""

import pytest
import torch
from torch import Tensor

from minijepa.config import EncoderConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.train.tokens import cache_tokens, view_tokens


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return VideoEncoder(EncoderConfig.tiny(), torch.Generator().manual_seed(0)).eval()


def test_segments_lie_along_the_tokens_and_views_apart(encoder):
    video = noise(2, 3, 4, 3, 4, 16, 16)  # 2 clips, 3 views, 4 segments of 4 frames
    found = view_tokens(encoder, video)
    assert found.shape == (2, 3, 4 * 8, 64)
    with torch.no_grad():
        for b, v, s in [(0, 0, 0), (1, 2, 3), (1, 0, 2)]:
            torch.testing.assert_close(found[b, v, 8 * s : 8 * s + 8], encoder(video[b, v, s][None])[0], atol=1e-5, rtol=0)


def test_layers_are_joined_as_more_tokens(encoder):
    video = noise(2, 1, 2, 3, 4, 16, 16)
    found = view_tokens(encoder, video, layers=(0, 2))
    assert found.shape == (2, 1, 2 * 2 * 8, 64)
    with torch.no_grad():
        first, last = encoder.layers(video[:, 0, 1], (0, 2))
    torch.testing.assert_close(found[:, 0, 16:24], first, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, 0, 24:], last, atol=1e-5, rtol=0)


class Source:
    """Make the tokens of clips, noting which; stop where told to."""

    def __init__(self, stop: int = 1_000) -> None:
        self.made, self.stop = [], stop

    def __call__(self, numbers: range) -> Tensor:
        if numbers.stop > self.stop:
            raise KeyboardInterrupt
        self.made += numbers
        return torch.stack([torch.full((2, 3, 4), float(number)) for number in numbers])


def test_tokens_come_back_from_the_file(tmp_path):
    source, path = Source(), tmp_path / "deep" / "train.npy"
    tokens = cache_tokens(path, 10, source, "a", batch=4)
    assert tokens.shape == (10, 2, 3, 4) and tokens[:, 0, 0, 0].tolist() == list(range(10))
    again = cache_tokens(path, 10, Source(stop=0), "a", batch=4)  # nothing is computed
    assert torch.equal(again, tokens) and source.made == list(range(10))
    assert sorted(p.name for p in path.parent.iterdir()) == ["train.json", "train.npy"]


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    path = tmp_path / "train.npy"
    with pytest.raises(KeyboardInterrupt):
        cache_tokens(path, 10, Source(stop=8), "a", batch=4)
    assert not path.exists()  # readers see the whole file or none
    rest = Source()
    tokens = cache_tokens(path, 10, rest, "a", batch=4)
    assert rest.made == [8, 9] and tokens[:, 1, 2, 3].tolist() == list(range(10))


def test_a_lost_part_is_begun_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        cache_tokens(tmp_path / "x.npy", 10, Source(stop=8), "a", batch=4)
    (tmp_path / ".x.npy.part").unlink()
    source = Source()
    cache_tokens(tmp_path / "x.npy", 10, source, "a", batch=4)
    assert source.made == list(range(10))


def test_whoever_writes_into_the_tokens_does_not_write_into_the_file(tmp_path):
    cache_tokens(tmp_path / "x.npy", 4, Source(), "a").zero_()
    assert cache_tokens(tmp_path / "x.npy", 4, Source(), "a").sum() > 0


def test_half_precision_takes_half_the_room(tmp_path):
    sizes = {}
    for dtype in ("float32", "float16"):
        tokens = cache_tokens(tmp_path / f"{dtype}.npy", 100, Source(), "a", dtype=dtype)
        assert tokens.dtype == getattr(torch, dtype)
        sizes[dtype] = (tmp_path / f"{dtype}.npy").stat().st_size - 128  # the header
    assert sizes["float32"] == 2 * sizes["float16"] == 100 * 24 * 4


@pytest.mark.parametrize("count, settings", [(10, "b"), (9, "a")])
def test_tokens_of_something_else_are_refused(tmp_path, count, settings):
    cache_tokens(tmp_path / "x.npy", 10, Source(), "a")
    with pytest.raises(ValueError, match=r"x\.json: expected tokens of .* got .* delete x\.json"):
        cache_tokens(tmp_path / "x.npy", count, Source(), settings)
