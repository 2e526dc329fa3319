"""From raw pixels to what the encoder eats: resize, crop and normalise, as training and evaluation do it.

Everything goes through `torch.nn.functional.interpolate` (bilinear, half-pixel centres), so a clip may live on
any device. Official files: src/datasets/utils/video/transforms.py, app/vjepa/transforms.py and
evals/video_classification_frozen/utils.py.
"""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from minijepa.data.video_error import VideoError, require_clip

MEAN = (0.485, 0.456, 0.406)  # ImageNet, red green blue, of pixels in 0..1
STD = (0.229, 0.224, 0.225)

Range = tuple[float | int, float | int]
Box = tuple[int, int, int, int]  # top, left, height, width in pixels


def normalize(video: UInt8[Tensor, "*batch c f H W"]) -> Float[Tensor, "*batch c f H W"]:
    """Subtract the ImageNet mean from raw pixels and divide by the ImageNet deviation.

    Args:
        video: (3, f, H, W) or (b, 3, f, H, W), uint8, 0..255.

    Returns:
        float32 of the same shape; a grey level of 0 becomes about -2, 255 about +2.5.

    Raises:
        VideoError: wrong type or number of channels.
    """
    require_clip(video, "normalize", axes=(4, 5))
    return _standardize(video.float())


def denormalize(video: Float[Tensor, "*batch c f H W"]) -> UInt8[Tensor, "*batch c f H W"]:
    """Undo `normalize`: give back raw pixels, rounded and clipped to 0..255.

    Args:
        video: (3, f, H, W) or (b, 3, f, H, W), float32, normalised.

    Returns:
        uint8 of the same shape; exactly the pixels that `normalize` was given.

    Raises:
        VideoError: wrong type or number of channels.
    """
    require_clip(video, "denormalize", dtype=torch.float32, axes=(4, 5))
    mean, std = _statistics(video)
    return (video * std + mean).round_().clamp_(0, 255).to(torch.uint8)


def evaluation_clip(video: UInt8[Tensor, "c f H W"], crop: int, antialias: bool = False) -> Float[Tensor, "c f S S"]:
    """Prepare a clip as the evaluations do: short side to int(crop · 256 / 224), centre crop, ImageNet statistics.

    Differs: the official transform resizes NumPy frames with OpenCV (bilinear without antialias, rounded to whole
    grey levels), with which this was not compared. Given tensors it uses torchvision instead, as the
    processor of transformers does, with antialias; ask for that by `antialias=True`. The two inputs differ
    visibly on large frames, which is why features of the two "official" paths are not close.

    Args:
        video: (3, f, H, W), uint8.
        crop: side of the square result in pixels (256; 384 for the largest model).
        antialias: average over the pixels that a shrunk one covers.

    Returns:
        (3, f, crop, crop), float32, normalised.

    Raises:
        VideoError: wrong type or number of channels; crop not positive.
    """
    require_clip(video, "evaluation_clip")
    small = _short_side(video, int(_positive(crop) * 256 / 224), antialias)
    height, width = small.shape[-2:]
    top, left = round((height - crop) / 2), round((width - crop) / 2)  # halves go to the even side, as released
    return normalize(small[..., top : top + crop, left : left + crop])


def evaluation_views(
    video: UInt8[Tensor, "c f H W"], crop: int, views: int, antialias: bool = False
) -> Float[Tensor, "v c f S S"]:
    """Cut several square views along the long side, as the multi-view evaluations do.

    The short side becomes exactly `crop` (one view alone is cut from crop · 256 / 224: `evaluation_clip`), and the
    views start at multiples of the whole number (long side - crop) // (views - 1).

    Args:
        video: (3, f, H, W), uint8.
        crop: side of a view in pixels.
        views: number of views, 3 in the published numbers; 1 gives `evaluation_clip`.
        antialias: as in `evaluation_clip`.

    Returns:
        (views, 3, f, crop, crop), float32, normalised.

    Raises:
        VideoError: wrong type or number of channels; crop or views not positive.
    """
    require_clip(video, "evaluation_views")
    if _positive(views, "views") == 1:
        return evaluation_clip(video, crop, antialias)[None]
    small = _short_side(video, _positive(crop), antialias)
    height, width = small.shape[-2:]
    step = (max(height, width) - crop) // (views - 1)
    starts = [(i * step, 0) if height > width else (0, i * step) for i in range(views)]
    return normalize(torch.stack([small[..., y : y + crop, x : x + crop] for y, x in starts]))


def training_clip(
    video: UInt8[Tensor, "c f H W"],
    crop: int,
    generator: Generator,
    scale: Range = (0.3, 1.0),
    aspect: Range = (0.75, 1.35),
    flip: float | int = 0.5,
) -> Float[Tensor, "c f S S"]:
    """Cut one random box for the whole clip, stretch it to a square, perhaps mirror it, and normalise.

    Bilinear without antialias; app/vjepa/transforms.py does nothing else either (no colour jitter, no erasing).

    Args:
        video: (3, f, H, W), uint8.
        crop: side of the square result in pixels.
        generator: source of the draws (on the CPU).
        scale: least and greatest area of the box as a fraction of the frame.
        aspect: least and greatest width / height of the box, drawn log-uniformly.
        flip: probability of a left-right mirror; 0 where left and right are labels.

    Returns:
        (3, f, crop, crop), float32, normalised; not rounded to whole grey levels.

    Raises:
        VideoError: wrong type or number of channels; crop not positive.
    """
    require_clip(video, "training_clip")
    size = (_positive(crop),) * 2
    top, left, height, width = random_box(video.shape[-2], video.shape[-1], generator, scale, aspect)
    frames = video[..., top : top + height, left : left + width].transpose(0, 1).float()  # (f, 3, h, w)
    if torch.rand((), generator=generator) < flip:
        frames = frames.flip(-1)
    frames = interpolate(frames, size, mode="bilinear", align_corners=False)
    return _standardize(frames.transpose(0, 1))


def random_box(height: int, width: int, generator: Generator, scale: Range, aspect: Range) -> Box:
    """Draw a box inside a frame: area uniform, aspect log-uniform, ten tries, then the largest central one.

    Args:
        height, width: size of the frame in pixels.
        generator: source of the draws (on the CPU).
        scale: range of the area as a fraction of the frame.
        aspect: range of width / height.

    Returns:
        top, left, height, width in pixels.
    """
    for _ in range(10):
        area = height * width * _uniform(*scale, generator)
        ratio = math.exp(_uniform(math.log(aspect[0]), math.log(aspect[1]), generator))
        h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return _below(height - h + 1, generator), _below(width - w + 1, generator), h, w
    # no draw fitted: a very long or tall frame. Cut it to the nearest allowed aspect.
    h, w = min(height, round(width / aspect[0])), min(width, round(height * aspect[1]))
    return (height - h) // 2, (width - w) // 2, h, w


def _standardize(video: Tensor) -> Tensor:
    """Map float pixels 0..255 to zero mean and unit deviation; overwrites its argument."""
    mean, std = _statistics(video)
    return video.sub_(mean).div_(std)


def _statistics(video: Tensor) -> tuple[Tensor, Tensor]:
    """Give mean and deviation of pixels in 0..255, shaped (3, 1, 1, 1), on the clip's device."""
    both = torch.tensor([MEAN, STD], dtype=torch.float32, device=video.device) * 255
    return both[0].view(3, 1, 1, 1), both[1].view(3, 1, 1, 1)


def _short_side(video: Tensor, side: int, antialias: bool) -> Tensor:
    """Resize (3, f, H, W) uint8 so that its short side is `side`; the long side is cut to a whole number."""
    height, width = video.shape[-2:]
    if min(height, width) == side:
        return video
    size = (side, int(side * width / height)) if height <= width else (int(side * height / width), side)
    frames = video.transpose(0, 1).float()  # (f, 3, H, W)
    frames = interpolate(frames, size, mode="bilinear", align_corners=False, antialias=antialias)
    return frames.round_().clamp_(0, 255).to(torch.uint8).transpose(0, 1)


def _uniform(low: float | int, high: float | int, generator: Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def _below(limit: int, generator: Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _positive(value: int, name: str = "crop") -> int:
    if value < 1:
        raise VideoError.about(name, f"expected at least 1, got {value}", "give a positive whole number")
    return value
