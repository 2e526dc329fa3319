"""Toy worlds in the formats of real data sets: the readers read them, and their labels are the truth of the world."""

import pytest
import torch

from minijepa.data.sets import epic_kitchens, ssv2
from minijepa.data.sets.check import check
from minijepa.data.sets.sample import require_all
from minijepa.data.sets.toy_sets import NOUNS, SETS_SEED, VERBS, crossings, wander, write_epic, write_ssv2
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video import decode, read_timeline

COUNTS = {"train": 6, "validation": 3}


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    return write_epic(tmp_path_factory.mktemp("epic") / "root", World.drift(frames=48), {"train": 24, "validation": 4})


def test_ssv2_holds_the_clips_of_the_world(tmp_path):
    root = write_ssv2(tmp_path / "deep" / "ssv2", World.drift(), COUNTS)
    assert check("ssv2", root, ("train", "validation")).usable
    assert ssv2.classes(root)[2] == "Moving something down" and len(ssv2.classes(root)) == 8
    for split, count in COUNTS.items():
        samples = ssv2.read(root, split)
        require_all(samples)
        clips = sample(World.drift(), count, split_generator(split, SETS_SEED))
        assert [s.label for s in samples] == clips.labels["direction"].tolist()
        for i, s in enumerate(samples):
            off = [(decode(s.path).float() - other.float()).abs().mean() for other in (clips.video[i], clips.video[i - 1])]
            assert off[0] < 0.6 * off[1]  # the codec blurs the noise


def test_an_epic_copy_is_whole_and_its_actions_lie_in_its_videos(kitchen):
    assert check("epic_kitchens", kitchen).usable
    for split in COUNTS:
        for segment in epic_kitchens.read(kitchen, split):
            timeline = read_timeline(segment.path)
            assert 0 < segment.frames[0] <= segment.frames[1] < len(timeline) - 1
            assert segment.seconds == pytest.approx([frame / 8 for frame in segment.frames], abs=0.006)


def test_a_crossing_is_where_the_ball_lies_on_the_line():
    world, generator = World.drift(frames=48), split_generator("test", 1)
    clips = wander(sample(world, 20, generator), world, 1 / 12, generator)
    found = [(i, crossing) for i in range(20) for crossing in crossings(clips, i)]
    assert len(found) > 20 and {crossing.verb for _, crossing in found} == {0, 1, 2, 3}
    for i, (start, stop, verb, noun) in found:
        axis, sign = verb // 2, 1 - 2 * (verb % 2)
        away = clips.state.position[i, :, 0, axis] - 16
        radius = clips.state.radius[i, 0]
        assert (away[start : stop + 1].abs() <= radius).all()
        assert away[start - 1].abs() > radius and away[stop + 1].abs() > radius
        assert sign * away[start - 1] < 0 < sign * away[stop + 1]  # it came from one side and went to the other
        assert noun == int(clips.labels["speed"][i])


def test_a_ball_that_rolls_along_a_line_does_not_cross_it():
    clips = sample(World.drift(frames=48), 60, split_generator("test", 2))
    straight = [i for i in range(60) if int(clips.labels["direction"][i]) in (0, 4)]  # right or left
    assert straight and all(crossing.verb < 2 for i in straight for crossing in crossings(clips, i))


def test_a_ball_with_a_will_of_its_own_keeps_its_speed_and_is_drawn_where_it_is():
    world, generator = World.drift(frames=48, noise=0.0), split_generator("test", 3)
    clips = wander(sample(world, 8, generator), world, 1 / 6, generator)
    velocity = clips.state.velocity[:, :, 0]
    speeds = velocity.norm(dim=-1)
    torch.testing.assert_close(speeds, speeds[:, :1].expand_as(speeds))
    turns = (velocity[:, 1:] - velocity[:, :-1]).norm(dim=-1) > 1e-9
    assert 0.08 < turns.double().mean() < 0.25  # one turn in eight keeps the heading
    step = (clips.state.position[:, 1:, 0] - clips.state.position[:, :-1, 0] - velocity[:, :-1] + 16) % 32 - 16
    assert step.abs().max() < 1e-9
    x, y = clips.state.position[:, 20, 0].long().unbind(-1)
    assert (clips.video[torch.arange(8), :, 20, y, x] > 200).all()  # white where its centre is
    assert set(clips.labels) == {"speed", "shape"}
    straight = wander(sample(world, 4, generator), world, 0, generator)
    assert (straight.state.velocity == straight.state.velocity[:, :1]).all()


def test_the_words_of_the_rows_are_those_of_the_classes(kitchen):
    rows = (kitchen / "EPIC_100_train.csv").read_text().splitlines()
    segments = epic_kitchens.read(kitchen, "train")
    numbered = epic_kitchens.action_classes(kitchen)
    for row, segment in zip(rows[1:], segments, strict=True):
        verb, noun = numbered.actions[segment.label]
        assert f"{VERBS[verb]} {NOUNS[noun]}" in row


def test_the_seed_decides(tmp_path):
    texts = [write_epic(tmp_path / str(i), World.drift(frames=32), {"train": 2}, seed) for i, seed in enumerate((0, 0, 1))]
    first, again, other = ((root / "EPIC_100_train.csv").read_text() for root in texts)
    assert first == again != other
    assert torch.equal(*(decode(root / "P01" / "videos" / "P01_01.MP4") for root in texts[:2]))
