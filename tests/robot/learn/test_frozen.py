"""The paper's way on the arm: clips for pretraining, sequences for post-training, and a world that comes out."""

import torch

from minijepa.model.encoder import VideoEncoder
from minijepa.train.pretrain import Run
from minijepa.train.transitions import Transitions
from minijepa_robot.learn.dynamics import cut
from minijepa_robot.learn.frozen import ArmClips, encode_frames, post_train_frozen, pretraining
from minijepa_robot.learn.world import Seen
from tests.robot.learn.test_joint import squares


def test_clips_hold_every_picture_and_share_a_batch():
    data = squares(4, 9).views["side"]
    clips = ArmClips(data, "squares")
    whole = clips.clips(5, 1, 6, slice(0, 6))
    assert whole.shape == (6, 3, 8, 64, 64) and torch.equal(whole[:, :, 0::2], whole[:, :, 1::2])
    assert torch.equal(clips.clips(5, 1, 6, slice(4, 6)), whole[4:])
    assert not torch.equal(clips.clips(6, 1, 6, slice(0, 6)), whole)
    first = whole[0, :, ::2].transpose(0, 1)  # (4, 3, 64, 64): four frames in a row of one episode
    rows = [(e, f) for e in range(4) for f in range(6) if torch.equal(data[e, f : f + 4], first)]
    assert rows
    assert "tensor" not in repr(clips) and clips.skipped() == []


def test_cuts_whole_sequences():
    n, f = 3, 10
    states = torch.arange(n * f * 7.0).view(n, f, 7)
    known = cut(Transitions(torch.arange(n * f * 2.0).view(n, f, 1, 2), states[:, :-1], states), 4)
    assert known.latents.shape == (6, 5, 1, 2) and known.actions.shape == (6, 4, 7)
    torch.testing.assert_close(known.states[1], states[0, 4:9])
    torch.testing.assert_close(known.actions[1], states[0, 4:8])
    assert known.extrinsics is None
    told = cut(Transitions(states[:, :, None], states[:, :-1], states, states[..., :6]), 4)
    torch.testing.assert_close(told.extrinsics[1], states[0, 4:9, :6])


def test_a_random_encoder_gives_a_world_whose_step_follows_the_square():
    data = squares(40, 9)
    encoder = pretraining(ArmClips(data.views["side"], "x"), 10, Run()).encoder
    frozen = VideoEncoder(encoder, torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    assert encode_frames(frozen, data.views["side"][:2]).shape == (2, 9, 64, 96)
    world, view = post_train_frozen(frozen, data, seed=0, steps=60)
    assert view.width == 2 and world.blocks["gripper"] == slice(2, None)
    seen = Seen({"side": data.views["side"][0]}, data.states[0])
    z, energy = world.encode(seen), world.energy({"side": 1.0})
    stepped = world.step(z[:-1], data.actions[0], data.states[0, :-1], None)[0]
    told = torch.stack([energy(stepped[k : k + 1], z[k + 1 : k + 2])[0] for k in range(8)]).mean()
    stayed = torch.stack([energy(z[k : k + 1], z[k + 1 : k + 2])[0] for k in range(8)]).mean()
    assert told < 0.7 * stayed, (told, stayed)
