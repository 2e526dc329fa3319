"""Show clips in a notebook: small looping videos inside the page, alone or side by side."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import UInt8
from torch import Tensor

from minijepa.data.video_error import VideoError, require_clip
from minijepa.data.write import write_clip

if TYPE_CHECKING:
    from IPython.display import Video

LEGIBLE = 224  # pixels; small clips are enlarged to about this side
LIMIT = 1_000_000  # bytes that one clip may add to a notebook
GAP = 4  # pixels between the clips of a grid


def play(video: UInt8[Tensor, "c f H W"], fps: float | int = 8, scale: int | None = None, alt: str = "a video clip") -> "Video":
    """Show a clip inside the notebook: an mp4 that loops, without sound, at most 1 MB.

    Args:
        video: (3, f, H, W), uint8; use `denormalize` for what the encoder sees.
        fps: frames a second, Hz.
        scale: whole factor of enlargement, pixel by pixel; None makes small clips legible.
        alt: what the clip shows, for readers who cannot see it.

    Returns:
        The object that a notebook shows when it stands on a cell's last line.

    Raises:
        VideoError: not such a clip, or larger than 1 MB even at low quality.
    """
    from IPython.display import Video  # only a notebook needs it

    require_clip(video, "show.video.play")
    data = _mp4(enlarge(video, scale), fps)
    attributes = f'controls loop muted playsinline aria-label="{_escape(alt)}"'
    return Video(data=data, embed=True, mimetype="video/mp4", html_attributes=attributes)


def grid(
    videos: Sequence[Tensor] | UInt8[Tensor, "b c f H W"],
    titles: Sequence[str] | None = None,
    fps: float | int = 8,
    columns: int | None = None,
    scale: int | None = None,
) -> "Video":
    """Show clips side by side as one video, so that they run in step, each under its title.

    Args:
        videos: clips (3, f, H, W), uint8; the shorter ones hold their last frame, the smaller ones get a margin.
        titles: one line for each clip; None for no titles.
        fps: frames a second, Hz.
        columns: clips in a row; None puts up to four.
        scale: as in `play`.

    Returns:
        The object that a notebook shows.

    Raises:
        VideoError: no clip, a wrong clip, or more or fewer titles than clips.
    """
    alt = "clips side by side" + (": " + "; ".join(titles) if titles else "")
    return play(tile(videos, titles, columns, scale), fps, scale=1, alt=alt)


def save(path: str | os.PathLike, video: UInt8[Tensor, "c f H W"], fps: float | int = 8, scale: int | None = 1) -> Path:
    """Write a clip to an mp4 or webm file, enlarged by `scale`.

    Args:
        path: file to write; the suffix chooses the codec.
        video: (3, f, H, W), uint8, for example what `tile` gives.
        fps: frames a second, Hz.
        scale: as in `play`.

    Returns:
        The path.

    Raises:
        VideoError: as `write_clip`.
    """
    require_clip(video, "show.video.save")
    return write_clip(path, enlarge(video, scale), fps)


def enlarge(video: UInt8[Tensor, "c f H W"], scale: int | None = None) -> UInt8[Tensor, "c f sH sW"]:
    """Repeat every pixel `scale` times along both sides, which keeps a toy clip crisp.

    Args:
        video: (3, f, H, W), uint8.
        scale: whole factor, at least 1; None chooses it so that the long side is at most 224 pixels, or leaves
            larger clips alone.

    Returns:
        (3, f, scale · H, scale · W), uint8.

    Raises:
        VideoError: `scale` is below 1.
    """
    factor = max(1, LEGIBLE // max(video.shape[-2:])) if scale is None else scale
    if factor < 1:
        raise VideoError.about("show.video.enlarge", f"expected a scale of at least 1, got {scale}", "clips only grow")
    return video.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def tile(
    videos: Sequence[Tensor] | UInt8[Tensor, "b c f H W"],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int | None = None,
) -> UInt8[Tensor, "c f Y X"]:
    """Lay clips out as one clip, row by row on white, each under its title.

    Args and raises: as `grid`.

    Returns:
        (3, f, Y, X), uint8, to be shown by `play` or written by `save`.
    """
    clips = list(videos)
    if not clips:
        raise VideoError.about("show.video.grid", "got no clip", "give at least one (3, f, H, W)")
    if columns is not None and columns < 1:
        raise VideoError.about("show.video.grid", f"expected at least 1 column, got {columns}", "give None to choose")
    if titles is not None and len(titles) != len(clips):
        wrong = f"got {len(titles)} titles for {len(clips)} clips"
        raise VideoError.about("show.video.grid", wrong, "give one title a clip")
    for clip in clips:
        require_clip(clip, "show.video.grid")
    clips = [enlarge(clip.cpu(), scale) for clip in clips]
    frames, height, width = (max(clip.shape[axis] for clip in clips) for axis in (1, 2, 3))
    cells = [_fit(clip, frames, height, width) for clip in clips]
    if titles is not None:
        lines = [_caption(title, width)[:, None].expand(-1, frames, -1, -1) for title in titles]
        cells = [torch.cat([line, cell], 2) for line, cell in zip(lines, cells, strict=True)]
    return _rows(cells, min(4, len(cells)) if columns is None else columns)


def _fit(clip: Tensor, frames: int, height: int, width: int) -> Tensor:
    """Hold the last frame and add a white margin: (3, frames, height, width)."""
    clip = clip[:, torch.arange(frames).clamp(max=clip.shape[1] - 1)]
    top, left = (height - clip.shape[2]) // 2, (width - clip.shape[3]) // 2
    cell = clip.new_full((3, frames, height, width), 255)
    cell[:, :, top : top + clip.shape[2], left : left + clip.shape[3]] = clip
    return cell


def _rows(cells: list[Tensor], columns: int) -> Tensor:
    """Place equal cells row by row with white gaps."""
    _, frames, height, width = cells[0].shape
    rows = -(-len(cells) // columns)
    page = cells[0].new_full((3, frames, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), 255)
    for i, cell in enumerate(cells):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        page[:, :, top : top + height, left : left + width] = cell
    return page


def _caption(title: str, width: int) -> Tensor:
    """Draw one line of text on white, small enough to fit: (3, height, width)."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont  # comes with matplotlib

    height, size = 20, 14.0
    while size > 7 and ImageFont.load_default(size).getlength(title) > width - 4:
        size -= 0.5
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).text((width / 2, height / 2), title, "black", ImageFont.load_default(size), anchor="mm")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _mp4(video: Tensor, fps: float | int) -> bytes:
    """Encode a clip in memory size, at the best of three qualities that stays below the limit."""
    with tempfile.TemporaryDirectory() as folder:
        for quality in (20, 28, 36):
            data = write_clip(Path(folder) / "clip.mp4", video, fps, quality).read_bytes()
            if len(data) < LIMIT:
                return data
    wrong = f"{tuple(video.shape)} makes {len(data)} bytes of mp4, the limit is {LIMIT}"
    raise VideoError.about("show.video", wrong, "show fewer frames or smaller ones, or write a file with save")


def _escape(text: str) -> str:
    from html import escape

    return escape(text, quote=True)
