"""From what was seen to what was hidden: predict target tokens from context tokens.

Implements ``VisionTransformerPredictor`` of facebookresearch/vjepa2 ``src/models/predictor.py``.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minijepa.config import PredictorConfig
from minijepa.model.encoder import require_ids
from minijepa.model.rope import rotary_tables
from minijepa.model.transformer import Block, initialise, linear, run_blocks


class MaskedPredictor(nn.Module):
    """Predict the latent of every target token from the context, its only clue being its position."""

    def __init__(self, config: PredictorConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.recompute = False  # True: gradient checkpointing, block by block
        width = config.width
        self.predictor_embed = linear(config.encoder_width, width)
        self.mask_tokens = nn.ParameterList(torch.zeros(1, 1, width) for _ in range(config.mask_tokens))
        self.predictor_blocks = nn.ModuleList(Block(width, config.heads, 4 * width) for _ in range(config.depth))
        self.predictor_norm = nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj = linear(width, config.output_width or config.encoder_width)
        initialise(self, self.predictor_blocks, generator)

    def forward(
        self,
        context: Float[Tensor, "b k d"],
        context_ids: Int[Tensor, "b k"],
        target_ids: Int[Tensor, "b m"],
        grid: tuple[int, int, int],
        mask_token: int = 0,
    ) -> Float[Tensor, "b m out"]:
        """Return predictions for the target tokens, in the order of ``target_ids``.

        context: encoder tokens with raster ids ``context_ids`` on the patch grid (t, h, w).
        mask_token: which learned query stands for a hidden token. Training uses 0, the only one that ever gets a
        gradient with one clip length; hub, transformers and the EK100 evaluation use 1, which stayed zero.
        Raises ValueError for ids outside the grid or a mask token that does not exist.

        Differs: the official code sorts context and targets by id and sorts back. Attention does not depend on
        the order and the positions travel with the ids, so the sort is left out; and the grid is the real one,
        not the square that the predictor was built with.
        """
        require_ids("context_ids", context_ids, grid)
        require_ids("target_ids", target_ids, grid)
        if not 0 <= mask_token < len(self.mask_tokens):
            raise ValueError(f"mask_token: expected 0 to {len(self.mask_tokens) - 1}, got {mask_token}")
        query = self.mask_tokens[mask_token].expand(*target_ids.shape, -1)
        embedded = self.predictor_embed(context)
        x = torch.cat((embedded, query.to(embedded.dtype)), dim=1)  # (b, k + m, width)
        rotary = rotary_tables(
            torch.cat((context_ids, target_ids), dim=1),
            grid,
            self.config.width // self.config.heads,
            self.config.rope_base,
            self.config.rope,
            x.dtype,
        )
        *early, final = self.predictor_blocks
        if early:
            x = run_blocks(early, x, rotary, self.recompute and self.training)[-1]
        x = final(x, rotary, last=target_ids.shape[1])  # nobody reads the context after this
        return self.predictor_proj(self.predictor_norm(x))
