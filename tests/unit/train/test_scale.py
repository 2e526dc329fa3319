"""The dry run says what a calculation by hand says, for every released recipe."""

import csv
from dataclasses import replace

import pytest

from minijepa.train.cost import BF16_GPU, Seen, step_saved
from minijepa.train.mixture import Mixture
from minijepa.train.recipes import RECIPES
from minijepa.train.scale import (
    RELEASED,
    DryRun,
    activation_bytes,
    as_text,
    clip_shape,
    dry_run,
    fits,
    grid_of,
    main,
    state_bytes,
)

L, PREDICTOR = 303_885_312, 22_086_016  # weights of ViT-L and its predictor


def test_state_of_vit_l_by_hand():
    config = RECIPES["vit-l"]()
    one = 16 * (L + PREDICTOR) + 4 * L + 2 * (L + PREDICTOR)  # weight, gradient, two moments; teacher; bfloat16 copies
    assert state_bytes(config, 1, shard=False) == one == 7_083_025_152
    assert state_bytes(config, 128, shard=False) == one + 4 * (L + PREDICTOR)
    parts = (16 * (L + PREDICTOR) + 4 * L) // 128 + 2 * (L + PREDICTOR) + 16 * (L // 24)
    assert state_bytes(config, 128, shard=True) == parts
    float32 = replace(config, optim=replace(config.optim, bf16=False))
    assert state_bytes(float32, 1, shard=False) == one - 2 * (L + PREDICTOR)


def test_activations_take_the_largest_step():
    config = RECIPES["cooldown-vit-l"]()
    steps = [[Seen(10, 20), Seen(5, 30)], [Seen(40, 20), Seen(5, 30)]]
    most = step_saved(config.encoder, config.predictor, steps[1], BF16_GPU, False)
    targets, pixels = 4 * 8_192 * 1_024, 4 * 3 * 64 * 256 * 256
    assert activation_bytes(config, steps, clips=3, recompute=False) == 3 * (most + targets + 2 * pixels)


@pytest.mark.parametrize(
    "name, gpus, tokens", [("vit-l", 128, 2048), ("cooldown-vit-h", 256, 8192), ("cooldown-vit-g-384", 512, 18432)]
)
def test_released_number_of_gpus(name, gpus, tokens):
    row = dry_run(name, RECIPES[name](), None, False, draws=5)
    assert row["gpus"] == gpus and row["clips"] == 3072 // gpus and row["clip_tokens"] == row["clips"] * tokens


def test_context_and_targets_follow_the_masks():
    row = dry_run("vit-l", RECIPES["vit-l"](), None, False, draws=200)
    # official collator, 24 clips: context 0.248 + 0.064 of the tokens, targets 0.465 + 0.704
    assert row["context_tokens"] / row["clip_tokens"] == pytest.approx(0.312, abs=0.02)
    assert row["target_tokens"] / row["clip_tokens"] == pytest.approx(1.169, abs=0.02)
    # 3 x (context) + 1 x (whole clip) forwards of the 1.66 TFLOP that 2,048 tokens take are the least that a step can cost
    assert row["tflop"] > 24 * 1.656


def test_memory_falls_with_parts_and_recompute():
    rows = [dry_run("vit-g", RECIPES["vit-g"](), None, shard, draws=3) for shard in (False, True)]
    assert rows[1]["state_gb"] < rows[0]["state_gb"] / 5 and rows[0]["recomputed_gb"] < rows[0]["activations_gb"] / 5


def test_what_fits():
    gb = 10**9
    assert fits(8 * gb, 64 * gb, gb, 80) == "yes"  # a tenth of the GPU stays free
    assert fits(8 * gb, 65 * gb, gb, 80) == "with recompute"
    assert fits(8 * gb, 65 * gb, 65 * gb, 80) == "no"


def test_clips_of_every_kind_of_data():
    assert clip_shape(RECIPES["drift"]().data) == (8, 32) and grid_of(RECIPES["drift"]()) == (4, 4, 4)
    files = RECIPES["cooldown-vit-g-384"]().data
    assert clip_shape(files) == clip_shape(Mixture((files, files), (1, 2))) == (64, 384)


def test_command_prints_and_writes(tmp_path, capsys):
    main(DryRun(recipes=("drift", "cooldown-drift"), draws=3, csv=tmp_path / "a.csv"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1 and "clip tokens" in lines[0]
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [row["recipe"] for row in rows] == ["drift", "cooldown-drift"] and rows[1]["clip_tokens"] == str(32 * 512)
    with pytest.raises(SystemExit, match="multiple of the 7 processes"):
        main(DryRun(recipes=("drift",), gpus=7))
    assert set(RELEASED) == {name for name in RECIPES if "drift" not in name and name != "rich"}
    assert as_text([{"a": 1, "bb": "x"}]) == "a  bb\n1   x"
