"""Toy worlds: the same bytes everywhere, splits that can't meet, and labels that are true."""

import hashlib

import pytest
import torch

from minijepa.data.toy_physics import ToyClips, World, sample, split_generator


def batch(world: World, count: int = 16, step: int = 0) -> ToyClips:
    return sample(world, count, split_generator("train", 0, step))


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:16]


def test_drift_gives_the_stored_bytes():
    assert digest(batch(World.drift()).video) == "bcc3fe802cf1b7c6"


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


@pytest.mark.parametrize("arguments", [("trian", 0, 0), ("train", 256, 0), ("train", 0, 2**22), ("train", -1, 0)])
def test_split_generator_refuses(arguments):
    with pytest.raises(ValueError, match="expected"):
        split_generator(*arguments)


def test_sample_refuses():
    with pytest.raises(ValueError, match="at least 1 clip"):
        sample(World.drift(), 0, split_generator("train", 0, 0))
