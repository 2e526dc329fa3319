"""Cut the square that a model sees out of the frames of a camera."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

Cut = Literal["square", "released"]
WIDEST = 1.35  # width / height of the released box


def view(pictures: UInt8[np.ndarray, "f H W 3"], size: int, cut: Cut = "square") -> UInt8[Tensor, "f 3 S S"]:
    """Cut the middle out of each frame and resize it to a square, bilinear without antialias.

    "square" is the centre square, as the planner of the official notebook cuts it. "released" is what the released training
    really does: its random box asks for more area than a 16:9 frame has, so that the fallback is always taken, the middle of
    full height and 1.35 times that width, which is then squashed to a square. Of a square frame both take all.

    Differs: rounded to whole grey levels, so that clips can be kept as bytes.
    """
    if size < 1:
        raise ValueError(f"view: expected a side of at least 1 pixel, got {size}")
    height, width = pictures.shape[1:3]
    side = min(height, width)
    h, w = (side, side) if cut == "square" else (height, min(width, round(WIDEST * height)))
    top, left = (height - h) // 2, (width - w) // 2
    frames = torch.from_numpy(np.ascontiguousarray(pictures[:, top : top + h, left : left + w])).permute(0, 3, 1, 2)
    if (h, w) == (size, size):
        return frames.contiguous()
    frames = interpolate(frames.float(), (size, size), mode="bilinear", align_corners=False)
    return frames.round_().clamp_(0, 255).to(torch.uint8)
