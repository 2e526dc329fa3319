"""The attentive probe: its names, its start, and what it does not care about."""

import pytest
import torch

from minijepa.config import ProbeConfig
from minijepa.model.probe import ActionLogits, AttentiveProbe

CLASSIFIER = ["linear.weight", "linear.bias"]
ACTIONS = [f"{task}_classifier.{kind}" for task in ("verb", "noun", "action") for kind in ("weight", "bias")]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_probe_of_depth_4_has_three_blocks_and_the_released_names():
    names = list(AttentiveProbe(64, 4, 4, 5).state_dict())
    inner = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
    blocks = [f"pooler.blocks.{i}.{part}.{kind}" for i in range(3) for part in inner for kind in ("weight", "bias")]
    cross = ["norm1", "xattn.q", "xattn.kv", "norm2", "mlp.fc1", "mlp.fc2"]
    cross = [f"pooler.cross_attention_block.{part}.{kind}" for part in cross for kind in ("weight", "bias")]
    assert sorted(names) == sorted(["pooler.query_tokens", *blocks, *cross, *CLASSIFIER])


def test_a_probe_of_depth_1_is_the_cross_attention_alone():
    names = AttentiveProbe(64, 4, 1, 5).state_dict()
    assert not any(name.startswith("pooler.blocks") for name in names)


def test_the_three_query_form_answers_verb_noun_and_action():
    probe = AttentiveProbe(64, 4, 2, (3, 4, 6), generator=seeded())
    assert probe.pooler.query_tokens.shape == (1, 3, 64)
    assert set(ACTIONS) <= set(probe.state_dict()) and "linear.weight" not in probe.state_dict()
    logits = probe(torch.randn(2, 10, 64, generator=seeded(1)))
    assert isinstance(logits, ActionLogits)
    assert [tuple(part.shape) for part in logits] == [(2, 3), (2, 4), (2, 6)]


def test_each_classifier_reads_its_own_query():
    probe = AttentiveProbe(64, 4, 1, (3, 3, 3), generator=seeded())
    x = torch.randn(2, 10, 64, generator=seeded(1))
    before = probe(x)
    with torch.no_grad():
        probe.pooler.query_tokens[:, 1] += 1.0
    after = probe(x)
    assert torch.equal(before.verb, after.verb) and torch.equal(before.action, after.action)
    assert (before.noun - after.noun).abs().max() > 1e-4


def test_the_order_and_the_number_of_tokens_are_free():
    probe = AttentiveProbe(64, 4, 4, 5, generator=seeded()).eval()
    x = torch.randn(2, 30, 64, generator=seeded(1))
    torch.testing.assert_close(probe(x), probe(x[:, torch.randperm(30, generator=seeded(2))]), atol=1e-5, rtol=0.0)
    assert probe(x[:, :7]).shape == (2, 5)


def test_the_start_is_the_released_one():
    probe = AttentiveProbe(256, 4, 4, 5, generator=seeded())
    state = probe.state_dict()
    stds = {name: float(state[name].std()) for name in state if name.endswith("weight") and "norm" not in name}
    expected = {name: 0.02 for name in stds}
    for i in range(3):
        for layer in ("attn.proj", "mlp.fc2"):
            expected[f"pooler.blocks.{i}.{layer}.weight"] = 0.02 / (2 * (i + 1)) ** 0.5
    expected["pooler.cross_attention_block.mlp.fc2.weight"] = 0.02 / 6**0.5  # the index of the last block, not one more
    for name, std in stds.items():
        assert std == pytest.approx(expected[name], rel=0.08), name
    assert float(state["pooler.query_tokens"].std()) == pytest.approx(0.02, rel=0.2)
    assert all(not value.any() for name, value in state.items() if name.endswith("bias"))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_probe_starts_with_the_first_rescale(depth):
    weight = AttentiveProbe(256, 4, depth, 5, generator=seeded()).pooler.cross_attention_block.mlp.fc2.weight
    assert float(weight.detach().std()) == pytest.approx(0.02 / 2**0.5, rel=0.02)


def test_the_same_generator_gives_the_same_probe():
    one, two = (AttentiveProbe(64, 4, 2, 5, generator=seeded(3)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_probe_can_be_built_without_memory():
    with torch.device("meta"):
        probe = AttentiveProbe(1408)
    assert all(parameter.is_meta for parameter in probe.parameters())
    assert probe.config == ProbeConfig(1408, 16, 4, 174)


@pytest.mark.parametrize("width, heads, depth", [(64, 16, 0), (64, 5, 4), (64, 0, 4)])
def test_a_wrong_size_is_refused(width, heads, depth):
    with pytest.raises(ValueError, match="expected depth >= 1 and a width that is a multiple of heads, got depth="):
        AttentiveProbe(width, heads, depth, 5)
