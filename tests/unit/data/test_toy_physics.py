"""Toy worlds: the same bytes everywhere, splits that can't meet, and labels that are true."""

import hashlib
from dataclasses import replace

import pytest
import torch

from minijepa.data.toy_physics import Look, Motion, ToyClips, World, sample, split_generator


def batch(world: World, count: int = 16, step: int = 0) -> ToyClips:
    return sample(world, count, split_generator("train", 0, step))


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:16]


def test_shapes_and_types():
    clips = batch(World.drift(size=48, frames=6), 5)
    assert clips.video.shape == (5, 3, 6, 48, 48) and clips.video.dtype == torch.uint8
    assert {"direction", "speed", "shape"} <= set(clips.labels)
    assert all(label.shape == (5,) and label.dtype == torch.int64 for label in clips.labels.values())
    assert (clips.onset == 6).all()


def test_batch_is_the_same_however_it_is_chunked(monkeypatch):
    whole = batch(World.drift(), 9).video
    monkeypatch.setattr("minijepa.data.toy_render.CHUNK_BYTES", 1)
    assert torch.equal(whole, batch(World.drift(), 9).video)


def test_seeds_of_different_batches_differ_in_the_bits_that_torch_keeps():
    keys = [(split, seed, step) for split in ("train", "validation", "test") for seed in (0, 1, 255)
            for step in (0, 1, 2**22 - 1)]  # fmt: skip
    states = {split_generator(*key).get_state().numpy().tobytes() for key in keys}
    assert len(states) == len(keys)


def test_no_clip_of_test_occurs_in_train():
    world = World.drift(noise=0.0, texture=0.0)
    seen = {}
    for split in ("train", "validation", "test"):
        clips = [sample(world, 64, split_generator(split, seed, step)).video for seed in (0, 1) for step in range(4)]
        seen[split] = {digest(clip) for clip in torch.cat(clips)}
        assert len(seen[split]) == 512
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


def test_direction_and_speed_follow_from_displacement():
    clips = batch(World.drift(), 200)
    step = clips.state.position[:, 1, 0] - clips.state.position[:, 0, 0]
    step = torch.remainder(step + 16, 32) - 16
    angle = torch.atan2(step[:, 1], step[:, 0])
    assert torch.equal((angle / (torch.pi / 4)).round().long() % 8, clips.labels["direction"])
    speeds = torch.tensor([0.7, 1.4, 2.1])
    assert torch.equal((step.norm(dim=1)[:, None] - speeds).abs().argmin(1), clips.labels["speed"])


def test_brightness_centre_follows_the_position():
    clips = batch(World.drift(noise=0.0, texture=0.0), 64)
    ink = clips.video[:, 0].double() - clips.video[:, 0].double().amin()
    place = torch.arange(32).double() + 0.5
    offset = place - clips.state.position[:, :, 0, :, None]
    offset = torch.remainder(offset + 16, 32) - 16
    mean_x = (ink.sum(2) * offset[..., 0, :]).sum(-1) / ink.sum((2, 3))
    mean_y = (ink.sum(3) * offset[..., 1, :]).sum(-1) / ink.sum((2, 3))
    assert mean_x.abs().max() < 0.1 and mean_y.abs().max() < 0.1


def test_noise_and_texture_have_the_stated_strength():
    flat = World.drift(texture=0.0, noise=0.1)
    empty = batch(flat, 64).video[batch(World.drift(texture=0.0, noise=0.0), 64).video == 89].double()
    assert abs(empty.std() / 255 - 0.1) < 0.002 and abs(empty.mean() - 89) < 0.5


WORLDS = {
    "drift": World.drift(texture=0.1),
    "bounce": World.bounce(),
    "fall": World.fall(),
    "collide": World.collide(),
    "occluder": World.occluder(),
    "barrier": World.barrier(),
    "rich": World.rich(),
    "strong": World.rich(48, 8, distractors="strong"),
}
STORED = {
    "drift": "eaaae2c28cff3a42",
    "bounce": "1d46a9465fe2ee6b",
    "fall": "b3ae6728d6d09af9",
    "collide": "9f63bf07bae62dd1",
    "occluder": "9c1674db2e8b7fc6",
    "barrier": "8b710a86af6b979f",
    "rich": "ec7d2a0af64de1e3",
    "strong": "e9ecfcbb4728a287",
}
BROKEN = [
    ("permanence", World.bounce()),
    ("permanence", World.occluder(events="always")),
    ("shape", World.rich(distractors="strong")),
    ("colour", World.drift()),
    ("colour", World.drift(hue="clip")),
    ("teleport", World.bounce()),
    ("teleport", World.drift()),
    ("tunnelling", World.barrier(events="always")),
    ("tunnelling", World.bounce(events="always")),
    ("gravity", World.fall(events="always")),
]


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_gives_the_stored_bytes(name):
    assert digest(batch(WORLDS[name], 8).video) == STORED[name]


@pytest.mark.parametrize("name", WORLDS)
def test_labels_are_about_even(name):
    clips = batch(WORLDS[name], 600)
    for label, values in clips.labels.items():
        share = torch.bincount(values).double() / 600
        if label in ("bounced", "collision", "occluded", "last_direction"):
            assert share.max() < 0.8, label
        else:
            assert (share * len(share)).sub(1).abs().max() < 0.35, label


@pytest.mark.parametrize("name", ["bounce", "fall", "barrier", "occluder"])
def test_bounced_means_that_a_velocity_turned_at_a_wall(name):
    world = WORLDS[name]
    clips = batch(world, 300)
    state = clips.state
    velocity, gravity = state.velocity[:, :, 0], clips.labels.get("gravity", torch.zeros(300))
    turned = velocity[:, 1:] * velocity[:, :-1] < 0
    turned[..., 1] &= (gravity == 0)[:, None]  # a thrown thing turns at the top of its way, too
    if world.motion.bar == "solid":
        turned = torch.where(state.bar[:, None, :1] == torch.arange(2), turned, False)
        turned &= velocity[:, 1:] * (state.position[:, 1:, 0] - state.bar[:, None, 1:2]) > 0  # away from the bar
    turned = turned.flatten(1).any(1)
    assert (clips.labels["bounced"][turned] == 1).all() and turned.sum() > 50
    if world.motion.gravity == 0:
        missed = (clips.labels["bounced"] == 1) & ~turned
        assert missed.sum() <= 6  # two bounces within one frame turn a velocity twice
    edge = state.radius[:, None, :1, None] * torch.tensor([1, 0.8862, 1.2533])[state.shape[..., None]] - 1e-3
    assert ((state.position >= edge) & (state.position <= 32 - edge)).all()


def test_last_direction_is_where_the_lead_heads_in_the_end():
    clips = batch(World.rich(), 300)
    velocity = clips.state.velocity[:, :, 0]
    angle = torch.atan2(velocity[..., 1], velocity[..., 0]) / (torch.pi / 4)
    headings = angle.round().long() % 8
    sure = (angle - angle.round()).abs() < 0.49  # away from the border of two classes
    assert torch.equal(headings[:, -1][sure[:, -1]], clips.labels["last_direction"][sure[:, -1]]) and sure[:, -1].sum() > 280
    changed = (clips.labels["last_direction"] != clips.labels["direction"]).double().mean()
    assert 0.4 < changed < 0.9
    assert all("last_direction" not in batch(WORLDS[name], 8).labels for name in ("drift", "bounce", "fall", "collide"))


def test_a_bar_in_the_middle_stands_there_in_every_clip():
    drawn = World.rich()
    middle = replace(drawn, motion=replace(drawn.motion, bar_place="middle"))
    one, two = batch(drawn, 64), batch(middle, 64)
    assert torch.equal(two.state.bar, torch.tensor((0.0, 16.0, 4.0), dtype=torch.float64).expand(64, 3))
    assert one.state.bar[:, 0].unique().tolist() == [0, 1] and one.state.bar[:, 1].unique().numel() > 50
    assert torch.equal(one.labels["speed"], two.labels["speed"])


def test_collision_changes_velocity_and_keeps_momentum_and_energy():
    clips = batch(World.collide(), 300)
    velocity, mass = clips.state.velocity, (clips.state.radius**2)[:, None, :, None] * clips.state.visible[..., None]
    changed = (velocity[:, 1:] != velocity[:, :-1]).flatten(1).any(1)
    assert torch.equal(changed.long(), clips.labels["collision"])
    for total in ((mass * velocity).sum(2), (mass * velocity**2).sum((2, 3))):
        torch.testing.assert_close(total[:, -1], total[:, 0])


def test_objects_that_collide_dont_start_inside_each_other():
    state = batch(World.rich(), 400).state
    apart = (state.position[:, 0, 0] - state.position[:, 0, 1]).norm(dim=-1)
    assert (apart > state.radius[:, 0] + state.radius[:, 1]).double().mean() > 0.99


def test_gravity_is_a_parabola():
    clips = batch(World.fall(events="natural"), 300)
    velocity = clips.state.velocity[:, :, 0]
    free = clips.labels["bounced"] == 0
    pull = (velocity[:, 1:] - velocity[:, :-1])[free]
    expected = World.fall().motion.gravity * clips.labels["gravity"][free].double()
    assert pull[..., 0].abs().max() == 0
    torch.testing.assert_close(pull[..., 1], expected[:, None].expand(-1, 15))


def test_occluded_means_that_no_white_is_left():
    world = World.occluder(look=Look(texture=0.0, noise=0.0))
    clips = batch(world, 200)
    least = clips.video.flatten(3).amin(1).amax(-1).amin(-1)  # brightest pixel of the frame that shows least
    assert (least[clips.labels["occluded"] == 1] < 170).all()  # up to half a pixel of the lead's edge
    assert ((least < 100).long() == clips.labels["occluded"]).double().mean() > 0.9


def test_count_and_colour_can_be_seen():
    world = World.collide(look=Look(texture=0.0, noise=0.0))
    clips = batch(world, 100)
    assert torch.equal(clips.state.visible[:, 0].sum(1) - 2, clips.labels["count"])
    colour = clips.state.colour[:, 0, 1].double()
    six = torch.tensor([[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]])
    assert torch.equal(torch.cdist(colour, six.double()).argmin(1), clips.labels["colour"])
    assert (clips.state.colour[:, :, 0] == 255).all()


def test_distractors_leave_labels_and_state_alone():
    plain, busy = batch(World.rich(), 64), batch(World.rich(distractors="strong"), 64)
    assert all(torch.equal(plain.labels[name], busy.labels[name]) for name in plain.labels)
    assert torch.equal(plain.state.position, busy.state.position)
    assert not torch.equal(plain.video, busy.video)


@pytest.mark.parametrize("kind, world", BROKEN)
def test_a_broken_law_leaves_the_frames_before_it_alone(kind, world):
    one, two = split_generator("test", 0, 3), split_generator("test", 0, 3)
    lawful, broken = sample(world, 64, one), sample(world, 64, two, violation=kind)
    frames = torch.arange(world.frames)
    before = frames < broken.onset[:, None]
    same = (lawful.video == broken.video).permute(0, 2, 1, 3, 4).flatten(2).all(-1)
    assert same[before].all()
    assert (lawful.onset == world.frames).all()
    struck = broken.onset < world.frames
    assert struck.double().mean() > 0.85
    assert broken.onset.min() >= world.frames // 4
    assert all(torch.equal(lawful.labels[name], broken.labels[name]) for name in lawful.labels)
    assert torch.equal(one.get_state(), two.get_state())
    if world.motion.bar != "occluder":  # behind an occluder a change is seen later
        assert (~same)[struck, broken.onset[struck]].double().mean() > 0.8
    assert (~same)[struck].any(1).double().mean() > 0.75


def test_tunnelling_passes_the_solid_bar():
    world = World.barrier(events="always")
    clips = sample(world, 64, split_generator("test", 0, 0), violation="tunnelling")
    along = clips.state.position[:, :, 0].gather(2, clips.state.bar[:, None, :1].long().expand(-1, 16, 1))[..., 0]
    side = along > clips.state.bar[:, 1:2]
    assert (side[:, 0] != side[:, -1]).double().mean() > 0.25
    lawful = sample(world, 64, split_generator("test", 0, 0)).state.position[:, :, 0]
    along = lawful.gather(2, clips.state.bar[:, None, :1].long().expand(-1, 16, 1))[..., 0]
    assert ((along > clips.state.bar[:, 1:2]) == side[:, :1]).all()


def test_a_vanished_lead_is_gone():
    clips = sample(World.bounce(), 32, split_generator("test", 0, 0), violation="permanence")
    gone = torch.arange(16) >= clips.onset[:, None]
    assert torch.equal(clips.state.visible[:, :, 0], ~gone)


@pytest.mark.parametrize(
    "kind, world, message",
    [
        ("levitation", World.drift(), "expected a violation"),
        ("gravity", World.bounce(), "no gravity"),
        ("tunnelling", World.drift(), "torus has no wall"),
    ],
)
def test_sample_refuses_a_law_that_the_world_lacks(kind, world, message):
    with pytest.raises(ValueError, match=message):
        sample(world, 2, split_generator("test", 0, 0), violation=kind)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": 8}, "size >= 16"),
        ({"frames": 1}, "frames >= 2"),
        ({"objects": (3, 2)}, "fewest"),
        ({"objects": (1, 9)}, "6 objects"),
        ({"radius": (4.0, 20.0)}, "radii"),
        ({"motion": Motion(gravity=0.1)}, "walls"),
        ({"motion": Motion("walls", bar="solid", bar_width=9.0)}, "radii"),
    ],
)
def test_world_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        replace(World.drift(), **change)


def test_device_is_where_the_video_lies():
    clips = sample(World.drift(), 2, split_generator("train", 0, 0), device="cpu")
    assert clips.video.device.type == "cpu" and clips.labels["speed"].device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", WORLDS)
def test_a_gpu_draws_the_same_bytes(name):
    clips = sample(WORLDS[name], 8, split_generator("train", 0, 0), device="cuda")
    assert digest(clips.video.cpu()) == STORED[name]


@pytest.mark.parametrize("arguments", [("trian", 0, 0), ("train", 256, 0), ("train", 0, 2**22), ("train", -1, 0)])
def test_split_generator_refuses(arguments):
    with pytest.raises(ValueError, match="expected"):
        split_generator(*arguments)


def test_sample_refuses():
    with pytest.raises(ValueError, match="at least 1 clip"):
        sample(World.drift(), 0, split_generator("train", 0, 0))
