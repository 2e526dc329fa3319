"""The attentive probe is transformers' pooler with equal heads and eps, and the released 16-head form on ViT-g width.

float32, at most 1e-5 absolute. transformers' own defaults (eps 1e-6, and the encoder's 22 heads on ViT-g) compute another
function than the released probe; the tests hold that too.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from transformers import VJEPA2Config
from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2AttentivePooler

from minijepa.model.probe import AttentiveProbe
from tests.equivalence.official import Tensors, randomise

CLOSE = {"atol": 1e-5, "rtol": 0.0}
RENAMED = [  # ours is the released name
    ("pooler.blocks.", "self_attention_layers."),
    ("pooler.cross_attention_block.", "cross_attention_layer."),
    ("pooler.query_tokens", "query_tokens"),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".attn.proj.", ".self_attn.out_proj."),
    (".xattn.q.", ".cross_attn.q_proj."),
]
SPLIT = [(".attn.qkv.", ".self_attn.", "qkv"), (".xattn.kv.", ".cross_attn.", "kv")]


def transformers_weights(ours: Tensors) -> Tensors:
    """Give the pooler's weights under transformers' names; the fused rows become single projections."""
    state = {}
    for key, value in ours.items():
        if not key.startswith("pooler."):
            continue
        for released, theirs in RENAMED:
            key = key.replace(released, theirs)
        fused = next((entry for entry in SPLIT if entry[0] in key), None)
        if fused is None:
            state[key] = value
            continue
        released, theirs, letters = fused
        for letter, part in zip(letters, value.chunk(len(letters)), strict=True):
            state[key.replace(released, f"{theirs}{letter}_proj.")] = part
    return state


def pair(width: int, heads: int, depth: int, eps: float = 1e-5) -> tuple[VJEPA2AttentivePooler, AttentiveProbe]:
    """Build transformers' pooler and our probe of 7 classes with the same random weights."""
    probe = AttentiveProbe(width, heads, depth, 7)
    randomise(probe, seed=depth)
    config = VJEPA2Config(
        hidden_size=width,
        num_attention_heads=heads,
        mlp_ratio=4.0,
        num_pooler_layers=depth - 1,
        layer_norm_eps=eps,
        attn_implementation="sdpa",
    )
    theirs = VJEPA2AttentivePooler(config).eval()
    theirs.load_state_dict(transformers_weights(probe.state_dict()))
    return theirs, probe.eval()


def tokens(width: int, n: int = 50, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(2, n, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("width, heads", [(64, 2), (96, 3), (128, 16), (256, 16)])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_pooler_is_that_of_transformers_with_equal_heads_and_eps(width, heads, depth):
    theirs, probe = pair(width, heads, depth)
    expected = theirs(tokens(width))
    assert expected.std() > 0.5
    assert_close(probe.pooler(tokens(width))[:, 0], expected, **CLOSE)
    assert_close(probe(tokens(width)), torch.nn.functional.linear(expected, probe.linear.weight, probe.linear.bias), **CLOSE)


@torch.no_grad()
def test_the_eps_of_transformers_gives_other_numbers():
    theirs, probe = pair(64, 2, 4, eps=1e-6)
    quiet = tokens(64, scale=0.01)  # eps is small beside the variance of usual tokens; it tells on quiet ones
    assert (probe.pooler(quiet)[:, 0] - theirs(quiet)).abs().max() > 1e-3


def plain_probe(state: Tensors, x: Tensor, heads: int, queries: int) -> list[Tensor]:
    """Derive the released probe again from its description, with nothing of the library and no fused attention."""

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def affine(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def mlp(x: Tensor, name: str) -> Tensor:
        hidden = affine(x, f"{name}.fc1")
        return affine(hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))), f"{name}.fc2")

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        size = q.shape[-1] // heads
        parts = []
        for i in range(0, q.shape[-1], size):
            scores = q[..., i : i + size] @ k[..., i : i + size].transpose(1, 2) * size**-0.5
            parts.append(scores.softmax(-1) @ v[..., i : i + size])
        return torch.cat(parts, -1)

    for i in range(3):
        block = f"pooler.blocks.{i}"
        qkv = affine(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, -1)
        x = x + affine(attend(*qkv), f"{block}.attn.proj")
        x = x + mlp(norm(x, f"{block}.norm2"), f"{block}.mlp")
    cross = "pooler.cross_attention_block"
    query = state["pooler.query_tokens"].expand(len(x), queries, -1)
    keys, values = affine(norm(x, f"{cross}.norm1"), f"{cross}.xattn.kv").chunk(2, -1)
    query = query + attend(affine(query, f"{cross}.xattn.q"), keys, values)
    query = query + mlp(norm(query, f"{cross}.norm2"), f"{cross}.mlp")
    if queries == 1:
        return [affine(query[:, 0], "linear")]
    return [affine(query[:, i], f"{name}_classifier") for i, name in enumerate(("verb", "noun", "action"))]


@torch.no_grad()
@pytest.mark.parametrize("classes", [48, (9, 30, 35)])
def test_the_released_form_on_the_width_of_vit_g(classes):
    width = 1408
    probe = AttentiveProbe(width, classes=classes).eval()
    randomise(probe, seed=3)
    assert probe.state_dict()["pooler.blocks.0.mlp.fc1.weight"].shape == (5632, 1408)  # 4.0, not the encoder's 48/11
    x = tokens(width, n=12).double()  # in float64, so that the order of long sums is not what is compared
    found = probe.double()(x)
    single = isinstance(classes, int)
    expected = plain_probe(probe.state_dict(), x, heads=16, queries=1 if single else 3)
    assert expected[0].std() > 0.3
    for one, other in zip([found] if single else found, expected, strict=True):
        assert_close(one, other, **CLOSE)
    other_heads = plain_probe(probe.state_dict(), x, heads=22, queries=1 if single else 3)
    assert (other_heads[0] - expected[0]).abs().max() > 0.05  # what transformers computes for ViT-g


@pytest.mark.parametrize("width, count", [(1024, 49_514_670), (1408, 93_494_190)])
def test_the_released_sizes(width, count):
    with torch.device("meta"):
        probe = AttentiveProbe(width)
    assert sum(p.numel() for p in probe.parameters()) == count
