"""An image is a clip that stands still."""

import av
import numpy as np
import pytest
import torch

from minijepa.data.image import is_image, read_image
from minijepa.data.video import VideoError, evaluation_clip
from minijepa.data.video_files import VideoFiles
from tests.unit.data.made_clips import make_video


def make_image(path, pixels: np.ndarray, codec: str = "png", form: str = "rgb24"):
    """Write (H, W, 3) uint8 as an image file."""
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream(codec, rate=1)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = form
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=form)
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)


def test_png_comes_back_pixel_by_pixel(tmp_path, pixels):
    image = read_image(make_image(tmp_path / "a.png", pixels))
    assert image.shape == (3, 1, 40, 64) and torch.equal(image[:, 0].permute(1, 2, 0), torch.from_numpy(pixels))


def test_jpeg_and_grey_have_three_channels(tmp_path):
    smooth = np.tile(np.linspace(20, 230, 64).astype(np.uint8)[None, :, None], (40, 1, 3))
    jpeg = read_image(make_image(tmp_path / "a.JPEG", smooth, "mjpeg", "yuvj420p"))
    grey = read_image(make_image(tmp_path / "b.png", smooth, form="gray"))
    for image in (jpeg, grey):
        assert (image[:, 0].float() - torch.from_numpy(smooth).permute(2, 0, 1)).abs().max() < 12


def test_names_of_images():
    assert is_image("x/A.JPEG") and is_image("b.png") and is_image("c.jpg") and not is_image("d.mp4")


@pytest.mark.parametrize("content", [b"", b"this is no image"])
def test_bad_images_raise_our_error(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(VideoError, match="a.jpg"):
        read_image(tmp_path / "a.jpg")


def test_images_among_videos_are_still_clips(tmp_path, pixels):
    make_image(tmp_path / "b.png", pixels)
    make_video(tmp_path / "a.mp4", stamps=range(30))
    files = VideoFiles(tmp_path, frames=4, fps=12, crop=32)
    assert [name.rsplit("/", 1)[1] for name in files.files] == ["a.mp4", "b.png"]
    moving, still = files[3, 0].video, files[3, 1].video
    assert still.shape == moving.shape == (3, 4, 32, 32)
    assert all(torch.equal(still[:, 0], still[:, i]) for i in range(4)) and not torch.equal(moving[:, 0], moving[:, 3])
    assert not torch.equal(still, files[4, 1].video)  # another box
    centre = evaluation_clip(torch.from_numpy(pixels).permute(2, 0, 1)[:, None], 32)
    assert torch.equal(files.clip(1), centre.expand(-1, 4, -1, -1))
    (tmp_path / "c.jpg").write_bytes(b"no image")
    again = VideoFiles(tmp_path, frames=4, fps=12, crop=32)
    assert again[0, 2].skipped > 0 and [name.rsplit("/", 1)[1] for name in again.bad_files] == ["c.jpg"]
