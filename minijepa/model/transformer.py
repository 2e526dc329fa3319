"""The one transformer block that encoder, predictor, action predictor and probe share.

Implements ``Block``, ``RoPEAttention`` and ``MLP`` of facebookresearch/vjepa2 ``src/models/utils/modules.py``
under the same parameter names.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init
from torch.utils.checkpoint import checkpoint

from minijepa.model.rope import Rotary, rotate


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Build a Linear without filling it, so that construction is instant on any device; see ``initialise``."""
    # skip_init would put it on the CPU, also inside torch.device("meta")
    return skip_init(nn.Linear, inputs, outputs, device=torch.get_default_device())


class Attention(nn.Module):
    """Attend from every token to every token, with rotary positions on queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = linear(width, 3 * width)  # rows: all queries, all keys, all values
        self.proj = linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        rotary: Rotary | None = None,
        mask: Bool[Tensor, "n n"] | None = None,
        last: int | None = None,
    ) -> Float[Tensor, "b m d"]:
        """Mix tokens; ``mask`` is True where attention is allowed, ``last`` asks for the last m tokens only."""
        width = x.shape[-1]
        qk, v = self.qkv(x).split((2 * width, width), dim=-1)
        qk = qk.unflatten(-1, (2 * self.heads, -1)).transpose(1, 2)  # (b, 2 e, n, c): heads of queries, then of keys
        v = v.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        if rotary is not None:
            qk = rotate(qk, rotary)
        q, k = qk.chunk(2, dim=1)
        if last is not None:
            q = q[:, :, -last:]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Transform each token on its own: Linear, exact GELU, Linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = linear(width, hidden)
        self.fc2 = linear(hidden, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Apply the two layers."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Add attention, then an MLP, each on layer-normed tokens (pre-norm)."""

    def __init__(self, width: int, heads: int, hidden: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)  # the released probes use eps 1e-5
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, hidden)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        rotary: Rotary | None = None,
        mask: Bool[Tensor, "n n"] | None = None,
        last: int | None = None,
    ) -> Float[Tensor, "b m d"]:
        """Return all tokens, or with ``last`` only the last m, for which alone queries and MLP are computed."""
        attended = self.attn(self.norm1(x), rotary, mask, last)
        x = attended + (x if last is None else x[:, -last:])
        return x + self.mlp(self.norm2(x))


def run_blocks(
    blocks: Iterable[Block], x: Float[Tensor, "b n d"], rotary: Rotary, recompute: bool = False
) -> list[Float[Tensor, "b n d"]]:
    """Return the output of every block in order; ``recompute`` trades a second forward for activation memory."""
    outputs = []
    for block in blocks:
        x = checkpoint(block, x, rotary, use_reentrant=False) if recompute else block(x, rotary)
        outputs.append(x)
    return outputs


def initialise(module: nn.Module, blocks: Iterable[Block], generator: torch.Generator | None = None) -> None:
    """Fill a network as the official code does; nothing happens on the meta device.

    Weights are normal with std 0.02 (truncated at +-2.0, which is 100 std), biases 0, norms the identity; the
    two layers of block i that write to the residual stream are divided by sqrt(2 i), i from 1.
    """
    if next(module.parameters()).is_meta:
        return
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv3d)):
            nn.init.normal_(part.weight, std=0.02, generator=generator)
            nn.init.zeros_(part.bias)
    with torch.no_grad():
        for i, block in enumerate(blocks, start=1):
            block.attn.proj.weight.div_((2 * i) ** 0.5)
            block.mlp.fc2.weight.div_((2 * i) ** 0.5)
