"""A clip becomes tokens: tubelets, rotary positions, transformer blocks.

Implements ``VisionTransformer`` of facebookresearch/vjepa2 ``src/models/vision_transformer.py`` (RoPE form).
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from minijepa.config import EncoderConfig
from minijepa.model.rope import rotary_tables
from minijepa.model.transformer import Block, initialise, run_blocks


class PatchEmbed(nn.Module):
    """Turn each tubelet of 2 x 16 x 16 pixels into one token with one linear map."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.size = (config.tubelet, config.patch, config.patch)
        self.proj = skip_init(
            nn.Conv3d, 3, config.width, kernel_size=self.size, stride=self.size, device=torch.get_default_device()
        )

    def forward(self, video: Float[Tensor, "b 3 f H W"], keep: Int[Tensor, "b k"] | None = None) -> Float[Tensor, "b n d"]:
        """Embed all tubelets, or only those whose raster ids are kept; a convolution whose stride is its kernel
        is a linear map of cut-out tubelets, so tokens that nobody will see are never computed."""
        u, p, _ = self.size
        tubelets = rearrange(video, "b c (t u) (h p) (w q) -> b (t h w) (c u p q)", u=u, p=p, q=p)
        if keep is not None:
            tubelets = gather_tokens(tubelets, keep)
        return F.linear(tubelets, self.proj.weight.flatten(1), self.proj.bias)


class VideoEncoder(nn.Module):
    """Encode clips of any length and any size that is a multiple of the patch."""

    def __init__(self, config: EncoderConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.recompute = False  # True: gradient checkpointing, block by block
        self.patch_embed = PatchEmbed(config)
        self.blocks = nn.ModuleList(Block(config.width, config.heads, config.hidden) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        initialise(self, self.blocks, generator)

    def forward(
        self,
        video: Float[Tensor, "b c f H W"] | Float[Tensor, "b c H W"],
        keep: Int[Tensor, "b k"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Return the layer-normed tokens of the last block.

        video: normalised pixels (``data.preprocess.normalize``), b clips of f frames, or b images.
        keep: raster ids of the k tokens to encode; the others are dropped before the first block.
        Returns (b, n, d) with n = t h w in raster order, or (b, k, d) in the order of ``keep``.
        Raises ValueError for shapes that the tubelets do not tile and for ids outside the grid.
        """
        return self.layers(video, [self.config.depth - 1], keep)[0]

    def layers(
        self,
        video: Float[Tensor, "b c f H W"] | Float[Tensor, "b c H W"],
        indices: Sequence[int],
        keep: Int[Tensor, "b k"] | None = None,
    ) -> list[Float[Tensor, "b n d"]]:
        """Return the outputs of the blocks with these 0-based indices, each through the shared final norm."""
        video = as_clip(video, self.config.tubelet)
        grid = self.grid(video)
        ids = torch.arange(grid[0] * grid[1] * grid[2], device=video.device)[None] if keep is None else keep
        if keep is not None:
            require_ids("keep", keep, grid)
        x = self.patch_embed(video, keep)
        rotary = rotary_tables(
            ids, grid, self.config.width // self.config.heads, self.config.rope_base, self.config.rope, x.dtype
        )
        outputs = run_blocks(self.blocks[: max(indices) + 1], x, rotary, self.recompute and self.training)
        return [self.norm(outputs[i]) for i in indices]

    def grid(self, video: Float[Tensor, "b c f H W"]) -> tuple[int, int, int]:
        """Return the patch grid (t, h, w) of a clip; raise ValueError unless tubelets tile it."""
        u, p = self.config.tubelet, self.config.patch
        _, c, f, height, width = video.shape
        if c != 3 or f < u or f % u or height % p or width % p or not height or not width:
            raise ValueError(
                f"video: expected shape (b, 3, frames, height, width) with frames a multiple of {u} and sides multiples "
                f"of {p}, got {tuple(video.shape)}; crop it, or drop the last frame as the official code does silently"
            )
        return f // u, height // p, width // p


def as_clip(video: Tensor, tubelet: int) -> Float[Tensor, "b c f H W"]:
    """Return images and single frames as a still clip one tubelet long, as the official evaluations do."""
    if video.ndim == 4:
        video = video[:, :, None]
    if video.ndim != 5 or not video.is_floating_point():
        raise ValueError(
            f"video: expected float (b, 3, f, H, W) or (b, 3, H, W), got {video.dtype} {tuple(video.shape)}; "
            "uint8 clips go through minijepa.data.video.normalize first"
        )
    return video.repeat_interleave(tubelet, dim=2) if video.shape[2] == 1 else video


def gather_tokens(tokens: Float[Tensor, "b n d"], ids: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    """Pick the tokens with these ids from each sample."""
    return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[-1]))


def require_ids(name: str, ids: Int[Tensor, "b k"], grid: tuple[int, int, int]) -> None:
    """Raise ValueError unless the ids are int64, non-empty and on the grid."""
    n = grid[0] * grid[1] * grid[2]
    if ids.dtype != torch.int64 or ids.ndim != 2 or not ids.numel():
        raise ValueError(f"{name}: expected int64 token ids (b, k) with k > 0, got {ids.dtype} {tuple(ids.shape)}")
    low, high = ids.aminmax()
    if low < 0 or high >= n:
        raise ValueError(
            f"{name}: expected ids from 0 to {n - 1} on the grid {grid}, got {int(low)} to {int(high)}; "
            "were the masks drawn for another clip size?"
        )
