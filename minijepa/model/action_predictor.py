"""What will I see if I do this? Predict the tokens of the next frame from frames, actions and states so far.

Implements ``VisionTransformerPredictorAC`` of facebookresearch/vjepa2 ``src/models/ac_predictor.py`` under the official
parameter names. A time step is one group of tokens, [action, state, (extrinsics), patches]; a token sees its own group and
all earlier ones.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from minijepa.config import ActionPredictorConfig
from minijepa.model.rope import Rotary, rotary_tables, rotate
from minijepa.model.transformer import Attention, Block, initialise, linear

Tokens = Float[Tensor, "b n d"]
Shared = Float[Tensor, "#b n d"]
Actions = Float[Tensor, "b t action"]
States = Float[Tensor, "b t_state state"]
Cameras = Float[Tensor, "b t_camera 6"] | None
Mask = Bool[Tensor, "n keys"] | None
Grid = tuple[int, int]  # h, w: patches of a frame


class Past(NamedTuple):
    """Hold the keys and values of all tokens so far in one block, so that a rollout never computes them again."""

    k: Float[Tensor, "b e n c"]
    v: Float[Tensor, "b e n c"]


Pasts = list[Past] | None  # one a block


class ActionPredictor(nn.Module):
    """Predict the next frame's tokens for every time step, a whole sequence at once or one step at a time."""

    def __init__(self, config: ActionPredictorConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.recompute = False  # True: gradient checkpointing, block by block
        width = config.width
        self.predictor_embed = linear(config.encoder_width, width)
        self.action_encoder = linear(config.action_width, width)
        self.state_encoder = linear(config.action_width, width)
        self.extrinsics_encoder = linear(6, width)  # in every checkpoint, used only with config.extrinsics
        self.predictor_blocks = nn.ModuleList(Block(width, config.heads, 4 * width) for _ in range(config.depth))
        self.predictor_norm = nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj = linear(width, config.encoder_width)
        initialise(self, self.predictor_blocks, generator)

    def forward(self, frames: Tokens, actions: Actions, states: States, grid: Grid, extrinsics: Cameras = None) -> Tokens:
        """Return the prediction of frame k+1 at the place of frame k, for all t steps at once.

        frames: n = t h w layer-normed encoder tokens, steps in order, each in raster order of the grid (h, w).
        actions: what is done at each step. Franka: metres, radians, gripper; ``plan.pose`` says more.
        states: pose before each action, as wide as the action.
        extrinsics: camera pose (metres, radians) at each step; given if and only if ``config.extrinsics``.
        Raises ValueError if the shapes do not belong together.

        Differs: rows and columns are those of ``grid``; the official code takes the grid it was built with, where the
        row and column scale is 1 whenever the two agree. The mask covers the steps at hand, not the most there can be.
        """
        return self._extend((frames, actions, states, extrinsics), grid, None, keep=False)[0]

    def step(
        self, frames: Shared, actions: Actions, states: States, grid: Grid, past: Pasts = None, extrinsics: Cameras = None
    ) -> tuple[Tokens, list[Past]]:
        """Continue a sequence by t steps, usually one, and return their predictions and what the next call needs.

        frames: one frame for all b sequences is enough, where only the actions differ.
        past: what the previous call returned; None at the start. Other arguments as in ``forward``.
        """
        return self._extend((frames, actions, states, extrinsics), grid, past, keep=True)

    def _extend(self, inputs: tuple, grid: Grid, past: Pasts, keep: bool) -> tuple[Tensor, list[Past]]:
        frames, actions, states, extrinsics = inputs
        self._require(frames, actions, states, extrinsics, grid)
        b, t, _ = actions.shape
        clues = [self.action_encoder(actions), self.state_encoder(states)]
        if extrinsics is not None:
            clues.append(self.extrinsics_encoder(extrinsics))
        patches = self.predictor_embed(frames).unflatten(1, (t, -1)).expand(b, -1, -1, -1)
        x = torch.cat((torch.stack(clues, dim=2), patches), dim=2)  # (b, t, size, width)
        size = x.shape[2]
        start = past[0].k.shape[2] // size if past else 0
        rotary = self._rotary(start, t, len(clues), grid, x)
        step = torch.arange((start + t) * size, device=x.device) // size
        mask = None if t == 1 else step[start * size :, None] >= step  # the newest step sees all
        x, kept = x.flatten(1, 2), []
        for i, block in enumerate(self.predictor_blocks):
            arguments = block, x, rotary, mask, past[i] if past else None
            again = self.recompute and self.training
            x, seen = checkpoint(run_block, *arguments, use_reentrant=False) if again else run_block(*arguments)
            if keep:
                kept.append(seen)
        x = x.unflatten(1, (t, size))[:, :, len(clues) :].flatten(1, 2)
        predicted = self.predictor_proj(self.predictor_norm(x))
        return (frames + predicted if self.config.residual else predicted), kept

    def _rotary(self, start: int, steps: int, clues: int, grid: Grid, x: Tensor) -> Rotary:
        """Place patches at (step, row, column), and what comes before them at (step, 0, 0)."""
        area = grid[0] * grid[1]
        inside = torch.cat((torch.zeros(clues, dtype=torch.int64), torch.arange(area)))
        ids: Int[Tensor, "1 n"] = (torch.arange(start, start + steps)[:, None] * area + inside).view(1, -1).to(x.device)
        head = self.config.width // self.config.heads
        return rotary_tables(ids, (start + steps, *grid), head, form=self.config.rope, dtype=x.dtype)

    def _require(self, frames: Tensor, actions: Tensor, states: Tensor, extrinsics: Tensor | None, grid: Grid) -> None:
        b, t, _ = actions.shape
        width, area = self.config.action_width, grid[0] * grid[1]
        if actions.shape != states.shape or actions.shape[2] != width or frames.shape[1] != t * area or t < 1:
            raise ValueError(
                f"expected frames (b, t·{area}, d), actions and states (b, t, {width}) with the same t, got "
                f"{tuple(frames.shape)}, {tuple(actions.shape)} and {tuple(states.shape)}; a clip of t+1 frames has t actions"
            )
        if (extrinsics is not None) != self.config.extrinsics or (extrinsics is not None and extrinsics.shape[1] != t):
            raise ValueError(
                f"extrinsics: expected {f'(b, {t}, 6)' if self.config.extrinsics else 'None'}, got "
                f"{None if extrinsics is None else tuple(extrinsics.shape)}; ActionPredictorConfig(extrinsics=...) decides"
            )


def run_block(block: Block, x: Tokens, rotary: Rotary, mask: Mask = None, past: Past | None = None) -> tuple[Tokens, Past]:
    """Run a block on the newest steps; return them, and the keys and values of all steps."""
    mixed, seen = attend(block.attn, block.norm1(x), rotary, mask, past)
    x = x + mixed
    return x + block.mlp(block.norm2(x)), seen


def attend(attention: Attention, x: Tokens, rotary: Rotary, mask: Mask = None, past: Past | None = None) -> tuple[Tokens, Past]:
    """Attend from the newest steps to past keys and their own, where ``mask`` is True; None allows all."""
    width = x.shape[-1]
    qk, v = attention.qkv(x).split((2 * width, width), dim=-1)
    v = v.unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # (b, e, n, c)
    q, k = rotate(qk.unflatten(-1, (2 * attention.heads, -1)).transpose(1, 2), rotary).chunk(2, dim=1)
    if past is not None:
        k, v = torch.cat((past.k, k), dim=2), torch.cat((past.v, v), dim=2)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return attention.proj(mixed.transpose(1, 2).flatten(2)), Past(k, v)
