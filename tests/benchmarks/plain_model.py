"""The released networks in plain words, written from what the released code does and not from ours.

No cleverness on purpose: the patch embedding runs over the whole clip and then throws tokens away; every layer works out its
sines and cosines again; the predictor sorts its tokens and sorts them back. Parameter names are the official ones, so weights
pass to and fro by a strict load. What the equality tests hold us to, and what the benchmarks time us against.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.config import EncoderConfig, PredictorConfig

Grid = tuple[int, int, int]  # t, h, w


def rotate_plain(x: Tensor, position: Tensor, base: float) -> Tensor:
    """Turn the s channels of x (b, e, n, s) by position (b, e, n) or (n,): adjacent partners, frequencies tiled end to end."""
    s = x.shape[-1]
    omega = 1.0 / base ** (torch.arange(s // 2, dtype=x.dtype, device=x.device) / (s / 2.0))
    angle = position[..., None] * omega
    cos, sin = torch.cat([angle.cos(), angle.cos()], dim=-1), torch.cat([angle.sin(), angle.sin()], dim=-1)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(dim=-1)
    partner = torch.stack((-odd, even), dim=-1).flatten(-2)
    return x * cos + partner * sin


class PlainAttention(nn.Module):
    def __init__(self, width: int, heads: int, base: float) -> None:
        super().__init__()
        self.heads, self.base = heads, base
        self.axis = 2 * ((width // heads // 3) // 2)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def turn(self, x: Tensor, positions: list[Tensor]) -> Tensor:
        s = self.axis
        parts = [rotate_plain(x[..., i * s : (i + 1) * s], positions[i], self.base) for i in range(3)]
        return torch.cat([*parts, x[..., 3 * s :]], dim=-1)

    def forward(self, x: Tensor, ids: Tensor | None, grid: Grid) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if ids is None:
            ids = torch.arange(n, device=x.device)
        else:
            ids = ids[:, None].repeat(1, self.heads, 1)
        frame = ids // (grid[1] * grid[2])
        inside = ids - frame * grid[1] * grid[2]
        positions = [frame, inside // grid[2], inside % grid[2]]
        q, k = self.turn(q, positions), self.turn(k, positions)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(b, n, d))


class PlainMlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, base: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = PlainAttention(width, heads, base)
        self.mlp = PlainMlp(width, hidden)

    def forward(self, x: Tensor, ids: Tensor | None, grid: Grid) -> Tensor:
        x = x + self.attn(self.norm1(x), ids, grid)
        return x + self.mlp(self.norm2(x))


class PlainPatchEmbed(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size = (config.tubelet, config.patch, config.patch)
        self.proj = nn.Conv3d(3, config.width, kernel_size=size, stride=size)

    def forward(self, video: Tensor) -> Tensor:
        return self.proj(video).flatten(2).transpose(1, 2)


class PlainEncoder(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PlainPatchEmbed(config)
        sizes = config.width, config.heads, config.hidden, config.rope_base
        self.blocks = nn.ModuleList(PlainBlock(*sizes) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)

    def forward(self, video: Tensor, ids: Tensor | None = None) -> Tensor:
        grid = video.shape[2] // self.config.tubelet, video.shape[3] // self.config.patch, video.shape[4] // self.config.patch
        x = self.patch_embed(video)
        if ids is not None:
            x = pick(x, ids)
        for block in self.blocks:
            x = block(x, ids, grid)
        return self.norm(x)


class PlainPredictor(nn.Module):
    """Predict as released. `grid` is fixed at construction, as there."""

    def __init__(self, config: PredictorConfig, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.predictor_embed = nn.Linear(config.encoder_width, config.width)
        self.mask_tokens = nn.ParameterList(torch.zeros(1, 1, config.width) for _ in range(config.mask_tokens))
        sizes = config.width, config.heads, 4 * config.width, config.rope_base
        self.predictor_blocks = nn.ModuleList(PlainBlock(*sizes) for _ in range(config.depth))
        self.predictor_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.predictor_proj = nn.Linear(config.width, config.encoder_width)

    def forward(self, context: Tensor, context_ids: Tensor, target_ids: Tensor, mask_token: int = 1) -> Tensor:
        seen = context_ids.shape[1]
        x = self.predictor_embed(context)
        queries = self.mask_tokens[mask_token].repeat(len(x), self.grid[0] * self.grid[1] * self.grid[2], 1)
        x = torch.cat([x, pick(queries, target_ids)], dim=1)
        ids = torch.cat([context_ids, target_ids], dim=1)
        order = ids.argsort(dim=1)
        ids, x = ids.gather(1, order), pick(x, order)
        for block in self.predictor_blocks:
            x = block(x, ids, self.grid)
        x = pick(self.predictor_norm(x), order.argsort(dim=1))
        return self.predictor_proj(x[:, seen:])


def pick(tokens: Tensor, ids: Tensor) -> Tensor:
    """Gather tokens (b, n, d) at ids (b, k)."""
    return torch.gather(tokens, 1, ids[..., None].repeat(1, 1, tokens.shape[-1]))
