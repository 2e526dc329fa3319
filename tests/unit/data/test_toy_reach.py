"""The plane: truth and pictures agree, nothing passes the wall, and train and test never meet."""

import sys
import time
from dataclasses import replace

import pytest
import torch

from minijepa.data.reach_env import make_env
from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import (
    Episodes,
    Look,
    ReachWorld,
    advance,
    free,
    nearest_on_wall,
    sample_episodes,
    sample_tasks,
)
from minijepa.data.toy_reach_draw import draw, draw_scene

WORLD = ReachWorld()
PLAIN = replace(WORLD, look=Look(jumping=0, drifting=0, texture=0.0, noise=0.0))


def episodes(world: ReachWorld = WORLD, count: int = 16, steps: int = 6, split: str = "train", seed: int = 0) -> Episodes:
    return sample_episodes(world, count, steps, split_generator(split, seed))


def test_shapes_types_and_bounds():
    made = episodes(count=5)
    assert made.video.shape == (5, 3, 7, 32, 32) and made.video.dtype == torch.uint8
    assert made.states.shape == (5, 7, 2) and made.actions.shape == (5, 6, 2)
    assert made.states.abs().max() <= WORLD.reach and made.actions.abs().max() <= WORLD.step


def test_same_generator_same_episodes():
    one, two, other = episodes(), episodes(), episodes(seed=1)
    assert torch.equal(one.video, two.video) and torch.equal(one.states, two.states)
    assert not torch.equal(one.video, other.video)


def test_no_start_of_test_occurs_in_train():
    starts = {
        split: {tuple(state.tolist()) for seed in (0, 1) for state in episodes(count=300, split=split, seed=seed).states[:, 0]}
        for split in ("train", "validation", "test")
    }
    assert all(len(found) > 580 for found in starts.values())  # the wall and the border gather a few
    assert not starts["train"] & starts["test"] and not starts["train"] & starts["validation"]


def test_white_is_where_the_state_says():
    made = episodes(replace(PLAIN, wall=(0.0, 0.0)), count=64)
    ink = made.video[:, 0].double() - made.video[:, 0].double().amin()
    place = (2 * torch.arange(32) + 1) / 32 - 1
    mean_x = (ink.sum(2) * place).sum(-1) / ink.sum((2, 3))
    mean_y = (ink.sum(3) * place).sum(-1) / ink.sum((2, 3))
    assert (torch.stack((mean_x, mean_y), -1) - made.states).abs().max() < 0.01
    area = (ink > ink.max() / 2).sum((2, 3)).double().mean() * (2 / 32) ** 2
    assert abs(area / (torch.pi * WORLD.radius**2) - 1) < 0.02


def test_free_steps_add_and_long_ones_are_cut():
    world = replace(WORLD, wall=(0.0, 0.0))
    scene = draw_scene(world.look, 32, world.wall, 2, 2, split_generator("train", 0))
    start = torch.zeros(2, 2)
    moved = advance(world, scene, start, torch.tensor([[0.1, -0.2], [9.0, 0.0]]))
    assert torch.allclose(moved, torch.tensor([[0.1, -0.2], [0.25, 0.0]]), atol=1e-6)


def test_nothing_enters_or_passes_the_wall():
    made = episodes(replace(WORLD, wall=(0.19, 0.05), step=0.5), count=400, steps=20)
    least = WORLD.radius + 0.05
    for state in made.states.unbind(1):
        assert (state - nearest_on_wall(made.scene, state)).norm(dim=1).min() > least - 0.01
    along = made.scene.wall[:, 2:] - made.scene.wall[:, :2]
    side = made.states - made.scene.wall[:, None, :2]
    cross = along[:, None, 0] * side[..., 1] - along[:, None, 1] * side[..., 0]
    share = (side * along[:, None]).sum(-1) / (along * along).sum(-1, keepdim=True)
    jumped = (cross[:, 1:] * cross[:, :-1] < 0) & (share[:, 1:] - 0.5).abs().lt(0.5) & (share[:, :-1] - 0.5).abs().lt(0.5)
    assert not jumped.any() and (cross[:, 1:] * cross[:, :-1] < 0).any()  # around it is allowed


def test_agent_slides_along_the_wall():
    scene = draw_scene(PLAIN.look, 32, WORLD.wall, 1, 2, split_generator("train", 0))
    scene = replace(scene, wall=torch.tensor([[0.0, -0.5, 0.0, 0.5]]))
    moved = advance(WORLD, scene, torch.tensor([[-0.35, 0.0]]), torch.tensor([[0.2, 0.2]]))
    assert moved[0, 0].item() == pytest.approx(-0.33, abs=0.01) and moved[0, 1].item() == pytest.approx(0.2, abs=0.01)


def test_goals_are_far_free_and_reach_the_whole_box():
    tasks = sample_tasks(WORLD, 2000, 12, split_generator("test", 0))
    away = (tasks.goal - tasks.start).norm(dim=1)
    assert away.min() >= 0.5 and away.max() > 1.7 and tasks.goal_image.shape == (2000, 3, 32, 32)
    assert torch.allclose(tasks.goal, free(WORLD, tasks.scene, tasks.goal), atol=1e-5)


def test_what_moves_on_its_own_ignores_the_agent_and_is_strong():
    made = episodes(replace(WORLD, look=replace(WORLD.look, noise=0.0)), count=32)
    still = made.states[:, :1].expand_as(made.states)
    generator = split_generator("train", 9)
    video = draw(replace(WORLD.look, noise=0.0), made.scene, still, WORLD.radius, generator).float()
    change = (video[:, :, 1:] - video[:, :, :-1]).abs().amax(1) > 20
    assert 0.1 < change.float().mean() < 0.6  # a good part of the picture changes though the agent stands
    plain = draw(PLAIN.look, replace(made.scene, place=made.scene.place + 9), still, WORLD.radius, generator)
    assert torch.equal(plain[:, :, 0], plain[:, :, 1])


def test_a_frame_can_be_drawn_alone():
    made = episodes(replace(WORLD, look=replace(WORLD.look, noise=0.0)), count=4)
    generator = split_generator("train", 9)
    alone = draw(replace(WORLD.look, noise=0.0), made.scene, made.states[:, 3:5], WORLD.radius, generator, first=3)
    assert torch.equal(alone, made.video[:, :, 3:5])
    some = draw(replace(WORLD.look, noise=0.0), made.scene.rows(slice(1, 3)), made.states[1:3], WORLD.radius, generator)
    assert torch.equal(some, made.video[1:3])


@pytest.mark.parametrize(
    "change, words",
    [
        ({"size": 8}, "size >= 16"),
        ({"radius": 0.9}, "radius < 0.5"),
        ({"step": 0.0}, "0 < step"),
        ({"wall": (-1.0, 0.1)}, "lengths >= 0"),
        ({"wall": (0.3, 0.05)}, "room between"),
    ],
)
def test_worlds_that_cannot_be(change, words):
    with pytest.raises(ValueError, match=words):
        replace(WORLD, **change)


def test_bad_actions_counts_and_distances():
    scene = draw_scene(WORLD.look, 32, WORLD.wall, 1, 2, split_generator("train", 0))
    with pytest.raises(ValueError, match="finite"):
        advance(WORLD, scene, torch.zeros(1, 2), torch.tensor([[float("nan"), 0.0]]))
    with pytest.raises(ValueError, match="at least 1 world"):
        episodes(count=0)
    with pytest.raises(ValueError, match="nearest"):
        sample_tasks(WORLD, 1, 5, split_generator("test", 0), nearest=1.5)


@pytest.mark.slow
def test_a_million_transitions_are_minutes():
    start = time.process_time()
    episodes(count=1024, steps=8)
    assert 1_000_000 / (1024 * 8 / (time.process_time() - start)) < 600  # seconds; 150 measured on one core


def test_env_without_gymnasium_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.setattr("minijepa.data.reach_env.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="robot"):
        make_env()


def test_env_is_gymnasium():
    pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env

    env = make_env(steps=5)
    check_env(env, skip_render_check=True)
    first, _ = env.reset(seed=3)
    again, _ = make_env(steps=5).reset(seed=3)
    assert (first["image"] == again["image"]).all() and (first["image"] != env.reset(seed=4)[0]["image"]).any()
    for _ in range(5):
        _, reward, _, cut, facts = env.step(env.action_space.sample())
    assert cut and reward == -facts["distance"]
