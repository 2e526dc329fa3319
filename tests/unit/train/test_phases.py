"""A second phase goes on from the first: other clips, another schedule, the same weights and moments."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.config import EncoderConfig
from minijepa.data.toy_physics import World
from minijepa.train.batches import ToyBatches
from minijepa.train.masks import LONG_RANGE, SHORT_RANGE
from minijepa.train.pretrain import PretrainConfig, State, draw_masks, pretrain
from minijepa.train.processes import Processes
from minijepa.train.recipes import RECIPES
from minijepa.train.run import RunFolder
from minijepa.train.schedule import LearningRate
from tests.unit.train.tiny import Stopped, stop_at, tiny_config

PARTS = ("encoder", "predictor", "teacher")


@pytest.fixture(scope="module")
def primary(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("primary")
    pretrain(tiny_config(steps=4, folder=folder))
    return folder


def second(steps: int = 4, **run) -> PretrainConfig:
    """Return a cooldown at twice the side and twice the length, with another weight decay."""
    config = tiny_config(steps, batch=2, **run)
    rate = LearningRate(peak=1e-3, final=1e-4, warmup=0, decay=steps, horizon=1.25)
    optim = replace(config.optim, rate=rate, weight_decay=0.2)
    return replace(config, data=ToyBatches(World.drift(size=64, frames=16)), optim=optim)


def same(one: State, other: State) -> bool:
    pairs = [zip(getattr(one, part).parameters(), getattr(other, part).parameters(), strict=True) for part in PARTS]
    return all(torch.equal(a, b) for pair in pairs for a, b in pair)


def test_second_phase_begins_where_the_first_ended(primary):
    seen = []
    config = second(steps=1)

    def look(state: State) -> None:
        if state.step == 0:
            seen.append({part: [p.clone() for p in getattr(state, part).parameters()] for part in PARTS})
            seen.append({number: entry["exp_avg"].clone() for number, entry in state.optimiser.state_dict()["state"].items()})
            seen.append([group["weight_decay"] for group in state.optimiser.param_groups])

    state = pretrain(config, watch=look, start=primary)
    saved = torch.load(primary / "last.pt", weights_only=True)
    for part in PARTS:
        assert all(torch.equal(a, b) for a, b in zip(seen[0][part], saved[part].values(), strict=True))
    moments = saved["optimiser"]["state"]
    assert seen[1].keys() == moments.keys()
    assert all(torch.equal(seen[1][i], moments[i]["exp_avg"]) for i in moments)
    assert seen[2] == [0.2, 0.0]  # of the new run
    assert state.step == 1 and not same(state, pretrain(config))  # which begins from nothing


def test_second_phase_resumes_bit_exactly(primary, tmp_path):
    never = pretrain(second(), start=primary)
    config = second(folder=tmp_path, save_every=2)
    with pytest.raises(Stopped):
        pretrain(config, watch=stop_at(3), watch_every=1, start=primary)
    steps: list[int] = []
    resumed = pretrain(config, watch=lambda state: steps.append(state.step), watch_every=1, start=primary)
    assert steps == [2, 3, 4] and same(never, resumed)


def test_a_run_keeps_its_origin(primary, tmp_path):
    pretrain(second(steps=1, folder=tmp_path), start=primary)
    with pytest.raises(ValueError, match="from="):
        pretrain(second(steps=1, folder=tmp_path))


def test_other_networks_are_refused(primary):
    config = second(steps=1)
    textbook = replace(config, encoder=replace(config.encoder, heads=4))  # which no shape would reveal
    with pytest.raises(ValueError, match="recipe of that size"):
        pretrain(textbook, start=primary)
    with pytest.raises(ValueError, match="expected the folder of a run"):
        pretrain(config, start=primary / "nowhere")


def test_toy_recipes_follow_one_another():
    first, then = RECIPES["drift"](), RECIPES["cooldown-drift"]()
    assert (first.encoder, first.predictor, first.masks) == (then.encoder, then.predictor, then.masks)
    assert (then.data.world.size, then.data.world.frames) == (64, 16) == (2 * first.data.world.size, 2 * 8)


def test_settings_of_older_checkpoints_still_fit(tmp_path):
    config = tiny_config(steps=1, folder=tmp_path)
    pretrain(config)
    text = torch.load(tmp_path / "last.pt", weights_only=True)["settings"]
    assert not any(word in text for word in ("shard", "mask_group", "from="))  # which they do not have
    pretrain(replace(config, run=replace(config.run, shard=False)))
    with pytest.raises(ValueError, match="mask_group=4"):
        pretrain(replace(config, mask_group=4))


def masks_of(processes: Processes, group: int | None) -> list:
    masks = (SHORT_RANGE, LONG_RANGE)
    config = PretrainConfig(encoder=EncoderConfig.tiny(), masks=masks, batch=16, mask_group=group)
    return draw_masks(config, (4, 16, 16), 3, processes)


def test_masks_of_a_group_do_not_depend_on_the_processes():
    quarters = [masks_of(Processes(rank, 4), 8) for rank in range(4)]
    halves = [masks_of(Processes(rank, 2), 8) for rank in range(2)]
    for half, pair in zip(halves, (quarters[:2], quarters[2:]), strict=True):
        for whole, one, two in zip(half, *pair, strict=True):
            assert torch.equal(whole.context, torch.cat((one.context, two.context)))
            assert torch.equal(whole.targets, torch.cat((one.targets, two.targets)))
    assert halves[0][0].context.shape != halves[1][0].context.shape


def test_small_groups_keep_more_context():
    alone = sum(masks_of(Processes(rank, 8), 2)[0].context.shape[1] for rank in range(8)) / 8
    assert alone > masks_of(Processes(), None)[0].context.shape[1]


def test_a_process_cannot_hold_two_groups():
    with pytest.raises(ValueError, match="multiple of the 8 clips of a process .* set it to 8"):
        masks_of(Processes(0, 2), 4)


def test_a_folder_without_checkpoint_begins_at_nothing(tmp_path):
    assert RunFolder(tmp_path, "", writes=False).restore(None) == 0
