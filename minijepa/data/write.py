"""Write a clip as a small mp4 or webm file that every browser plays."""

import os
from fractions import Fraction
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import pad

from minijepa.data.video_error import VideoError, require_clip
from minijepa.files import replacing

# suffix -> container, encoder. One thread and fixed settings: the same clip gives the same bytes on a machine.
FORMATS = {".mp4": ("mp4", "libx264"), ".webm": ("webm", "libvpx-vp9")}


def write_clip(path: str | os.PathLike, video: UInt8[Tensor, "c f H W"], fps: float | int = 8, quality: int = 20) -> Path:
    """Write a clip to a file; the suffix chooses the codec: .mp4 is H.264, .webm is VP9, both yuv420p.

    The file is written beside its place and renamed when it is whole, so a reader never meets half a clip. H.264
    in yuv420p wants even sides: an odd frame gets its last row or column twice (VP9 takes any size).

    Args:
        path: where to write; its folder must exist; a file that is there is replaced.
        video: (3, f, H, W), uint8, red green blue.
        fps: frames a second of the file, Hz.
        quality: constant rate factor; smaller is better and larger: 18 looks lossless, 35 is rough.

    Returns:
        The path.

    Raises:
        VideoError: wrong clip, suffix, fps or folder, or the encoder refused.
    """
    require_clip(video, "write_clip")
    import av  # heavy; loaded when a clip is written, not when minijepa is imported

    path = Path(path)
    _check_target(path, fps)
    if path.suffix.lower() == ".mp4":
        video = _even(video)
    try:
        with replacing(path) as beside:
            _encode(beside, *FORMATS[path.suffix.lower()], _pictures(video), Fraction(fps).limit_denominator(1001), quality)
    except (av.FFmpegError, OSError) as error:
        raise VideoError.about(path, f"could not be written ({error})", "check the folder and the disk") from error
    return path


def _check_target(path: Path, fps: float | int) -> None:
    if path.suffix.lower() not in FORMATS:
        known = " or ".join(FORMATS)
        raise VideoError.about(path, f"unknown suffix {path.suffix!r}", f"end the name in {known}")
    if not path.parent.is_dir():
        raise VideoError.about(path, "its folder does not exist", f"make it: mkdir -p {path.parent}")
    if path.is_dir():
        raise VideoError.about(path, "is a folder", "give a file name")
    if not 0.1 <= fps <= 1000:
        raise VideoError.about(path, f"expected 0.1 to 1000 frames a second, got {fps}", "give fps in Hz")


def _even(video: Tensor) -> Tensor:
    """Repeat the last row or column of (3, f, H, W) where a side is odd."""
    height, width = video.shape[-2:]
    return pad(video, (0, width % 2, 0, height % 2, 0, 0), mode="replicate") if height % 2 or width % 2 else video


def _pictures(video: Tensor) -> ndarray:
    """Give (f, H, W, 3) in memory order, as the encoder wants it."""
    return video.detach().cpu().permute(1, 2, 3, 0).contiguous().numpy()


def _encode(path: Path, container: str, encoder: str, pictures: ndarray, fps: Fraction, quality: int) -> None:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    # x264's macroblock tree reads memory that it never wrote: with it, the same clip gave 67 files in 200 runs
    own = {"b": "0"} if encoder == "libvpx-vp9" else {"x264-params": "mbtree=0"}
    # bitexact: no random ids, no encoder version in the file; faststart: a player may begin before the end is there
    shape = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if container == "mp4" else {})
    with av.open(str(path), "w", format=container, options=shape) as out:
        stream = out.add_stream(encoder, rate=fps, options={"crf": str(quality)} | own)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        # say how colours were turned into brightness and hue, or players guess by the size of the frame
        stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU601, ColorRange.MPEG
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, 1 / fps
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
