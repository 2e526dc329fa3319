"""The four tables: what a budget buys, what counts as a call, and that nothing is played twice."""

import pytest
import torch
from torch.testing import assert_close

from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import ReachWorld, sample_tasks
from minijepa.model.action_predictor import ActionPredictor
from minijepa.study import rival
from minijepa.study.pixel_world import FlowWorld, PixelWorld, pixel_predictor
from minijepa.study.rival import Price, Rival, affordable, first, flops, line, measure, price, price_ratio, shares, with_samples


@pytest.fixture(scope="module")
def models():
    networks = [
        ActionPredictor(pixel_predictor(width=24, flow=flow), torch.Generator().manual_seed(0)) for flow in (False, True)
    ]
    regression, flow = (network.eval().requires_grad_(False) for network in networks)
    return {
        "jepa": PixelWorld(regression, (2, 2)),
        "regression": PixelWorld(regression, (2, 2)),
        "flow": FlowWorld(flow, (2, 2), 4),
    }


@pytest.fixture(scope="module")
def given():
    return sample_tasks(ReachWorld(), 3, 3, split_generator("validation", 9))


def test_a_budget_buys_samples_on_a_straight_line():
    costs = (1.0 + 16 * 0.1, 1.0 + 48 * 0.1)
    assert affordable(costs, costs[1]) in (47, 48) and affordable(costs, 21.0) in (199, 200)
    assert affordable(costs, 0.0) == rival.FEWEST
    assert_close(line(costs, 200), 21.0)


def test_every_table_is_equal_in_what_its_name_says():
    cheap, dear = (Price((1 + 0.016 * c, 1 + 0.048 * c), (16.0 * c, 48.0 * c)) for c in (1, 40))
    found = shares({"jepa": cheap, "regression": cheap, "flow": dear}, {"jepa": 1, "regression": 1, "flow": 4})
    assert set(found["samples"].values()) == {48}
    assert found["calls"] == {"jepa": 48, "regression": 48, "flow": 12}
    assert found["flops"]["jepa"] == 48 and found["flops"]["flow"] == rival.FEWEST  # 1.2 would not make an iteration
    assert found["seconds"]["flow"] < found["seconds"]["jepa"]


def test_operations_grow_with_samples_and_with_the_steps_of_the_flow(models, given):
    few, many = (flops(models["regression"], samples, given) for samples in (16, 48))
    assert 2.6 < many / few < 3.0  # pictures are not encoded, and what is read of them is shared
    assert 4.0 < flops(models["flow"], 48, given) / many < 6.5  # its patches are noisy, so each sample embeds its own


def test_prices_are_measured_for_every_arm(models, given):
    found = price(models, given, rounds=1)
    assert list(found) == ["jepa", "regression", "flow"]
    assert found["jepa"].flops == found["regression"].flops
    assert all(0 < less < more for cost in found.values() for less, more in (cost.flops,))
    assert all(cost.seconds[0] > 0 for cost in found.values())


def test_four_tables_of_three_arms_and_nothing_is_played_twice(models, given, monkeypatch):
    played, play = [], rival.play

    def counted(config, world, tasks, *others):
        played.append((len(tasks.start), config.method.samples))
        return play(config, world, tasks, *others)

    prices = {arm: Price((0.1, 0.2 + 0.2 * (arm == "flow")), (1e9, 2e9 + 1e9 * (arm == "flow"))) for arm in models}
    monkeypatch.setattr(rival, "price", lambda *_, **__: prices)
    monkeypatch.setattr(rival, "play", counted)
    rows = list(measure(Rival(), models, given))
    assert [(row["table"], row["arm"]) for row in rows] == [
        (t, a) for t in ("samples", "calls", "seconds", "flops") for a in models
    ]
    assert {count for count, _ in played} == {3} and len(played) == len({(row["arm"], row["samples"]) for row in rows})
    calls = {row["arm"]: row["calls"] for row in rows if row["table"] == "calls"}
    assert set(calls.values()) == {144}
    assert all(0 <= row["success"] <= 1 and row["episodes"] == 3 for row in rows)


def test_one_in_eight_is_an_elite_and_two_at_least():
    assert [with_samples(n).method.elites for n in (4, 16, 64, 400)] == [2, 2, 8, 50]


def test_picking_a_task_keeps_it_whole(given):
    one = first(given, 2)
    assert torch.equal(one.goal_image, given.goal_image[2:3]) and torch.equal(one.scene.place, given.scene.place[2:3])


def test_the_published_ratio_and_its_caveat():
    assert_close(price_ratio(*rival.PUBLISHED.values()), (15.0, 150.0))
