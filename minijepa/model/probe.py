"""Read frozen tokens: the attentive probe, as released.

Implements ``AttentiveClassifier`` and ``AttentivePooler`` of facebookresearch/vjepa2 ``src/models/attentive_pooler.py``
with ``CrossAttentionBlock`` of ``src/models/utils/modules.py``, under the same parameter names.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.config import ProbeConfig
from minijepa.model.transformer import Block, Mlp, initialise, linear

EPS = 1e-5  # of every LayerNorm in a probe; encoder and predictors have 1e-6
MLP_RATIO = 4  # also on ViT-g, whose own ratio is 48/11


class ActionLogits(NamedTuple):
    """Hold what the three-query form answers."""

    verb: Float[Tensor, "b verbs"]
    noun: Float[Tensor, "b nouns"]
    action: Float[Tensor, "b actions"]


class CrossAttention(nn.Module):
    """Attend from queries to tokens. There is no output projection: values go to the residual stream as they are."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = linear(width, width)
        self.kv = linear(width, 2 * width)  # rows: all keys, all values

    def forward(self, queries: Float[Tensor, "b m d"], x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        """Mix the tokens for each query."""
        q = self.q(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (b, e, m, c)
        k, v = self.kv(x).unflatten(-1, (2 * self.heads, -1)).transpose(1, 2).chunk(2, dim=1)  # (b, e, n, c)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class CrossBlock(nn.Module):
    """Add what the queries find, then an MLP; the tokens are layer-normed before attention, the queries are not."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.xattn = CrossAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, MLP_RATIO * width)

    def forward(self, queries: Float[Tensor, "b m d"], x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        """Return the queries, each with its answer added."""
        queries = queries + self.xattn(queries, self.norm1(x))
        return queries + self.mlp(self.norm2(queries))


class AttentivePooler(nn.Module):
    """Pool any number of tokens into a few: self-attention blocks, then learnt queries that read the result."""

    def __init__(self, width: int, heads: int, depth: int, queries: int) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.empty(1, queries, width))
        self.blocks = nn.ModuleList(Block(width, heads, MLP_RATIO * width, EPS) for _ in range(depth - 1))
        self.cross_attention_block = CrossBlock(width, heads)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        """Return one vector a query. No positions are added: the tokens carry them from the encoder."""
        for block in self.blocks:
            x = block(x)
        return self.cross_attention_block(self.query_tokens.expand(len(x), -1, -1), x)


class AttentiveProbe(nn.Module):
    """Classify clips from frozen tokens, with one query, or with three for verb, noun and action.

    width: of the tokens. heads: 16 in all released probes; transformers takes the encoder's 22 on ViT-g, and
    computes another function there. depth: 4 means 3 self-attention blocks and the cross-attention; 1 means the
    cross-attention alone. classes: their count, or the counts of verbs, nouns and actions.
    generator: draws the initial weights. Raises ValueError for a depth below 1 or heads that do not divide the width.
    """

    def __init__(
        self,
        width: int,
        heads: int = 16,
        depth: int = 4,
        classes: int | tuple[int, int, int] = 174,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = ProbeConfig(width, heads, depth, classes)
        self.pooler = AttentivePooler(width, heads, depth, queries=1 if isinstance(classes, int) else 3)
        if isinstance(classes, int):
            self.linear = linear(width, classes)
        else:
            self.verb_classifier, self.noun_classifier, self.action_classifier = (linear(width, n) for n in classes)
        initialise(self, self.pooler.blocks, generator)
        if not self.pooler.query_tokens.is_meta:  # a draw there would fill nothing, and load seconds of machinery
            nn.init.normal_(self.pooler.query_tokens, std=0.02, generator=generator)
            # the official loop index stays on the last self-attention block: at depth 4 the divisor is sqrt(2 * 3)
            self.pooler.cross_attention_block.mlp.fc2.weight.data.div_((2 * max(1, depth - 1)) ** 0.5)

    def forward(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b classes"] | ActionLogits:
        """Return the logits of each class, or of each verb, noun and action.

        tokens: of one view; those of all its temporal segments, and of several layers if the probe was trained so,
        lie one after the other along n. Order does not matter to a probe.
        """
        pooled = self.pooler(tokens)
        if isinstance(self.config.classes, int):
            return self.linear(pooled[:, 0])
        heads = (self.verb_classifier, self.noun_classifier, self.action_classifier)
        return ActionLogits(*(head(pooled[:, i]) for i, head in enumerate(heads)))
