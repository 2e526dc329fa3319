"""The loss of V-JEPA 2.1: several depths, visible tokens by their nearness, and nothing of it in the teacher."""

import pytest
import torch
from torch.nn import functional as F

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.study.dense import Dense, deep_targets, nearness
from minijepa.train.masks import Future, Masks, Tube
from minijepa.train.objective import latent_loss

GRID = (4, 4, 4)


def networks(depths):
    generator = torch.Generator().manual_seed(0)
    encoder = VideoEncoder(EncoderConfig.tiny(), generator)
    teacher = VideoEncoder(EncoderConfig.tiny(), generator)
    tiny = PredictorConfig.tiny()
    predictor = MaskedPredictor(PredictorConfig(64, 48, 2, 2, 2, tiny.rope, tiny.rope_base, 64 * depths), generator)
    video = torch.randn(3, 3, 8, 32, 32, generator=generator)
    masks = [mask.draw(GRID, 3, generator) for mask in (Tube(), Future())]
    return encoder, predictor, teacher, video, masks


def test_the_last_depth_and_hidden_tokens_alone_are_the_loss_of_the_first_recipe():
    parts = networks(1)
    torch.testing.assert_close(Dense((2,), visible=0.0)(*parts), latent_loss(*parts))


def test_targets_are_the_normed_tokens_of_each_depth():
    _, _, teacher, video, _ = networks(1)
    targets = deep_targets(teacher, video, (0, 2))
    assert targets.shape == (3, 64, 128) and not targets.requires_grad
    torch.testing.assert_close(targets[..., 64:], F.layer_norm(teacher(video), (64,)))
    assert not torch.allclose(targets[..., :64], targets[..., 64:], atol=0.1)
    torch.testing.assert_close(targets[..., :64].std(-1, unbiased=False), torch.ones(3, 64), atol=1e-3, rtol=0)


def test_visible_tokens_count_by_their_nearness_to_hidden_ones():
    encoder, predictor, teacher, video, masks = networks(3)
    without, with_them = (Dense(visible=weight)(encoder, predictor, teacher, video, masks[:1]) for weight in (0.0, 2.0))
    mask, targets = masks[0], deep_targets(teacher, video, (0, 1, 2))
    asked = predictor(encoder(video, mask.context), mask.context, torch.cat((mask.targets, mask.context), 1), GRID)
    wanted = targets.gather(1, mask.context[..., None].expand(-1, -1, 192))
    error = (asked[:, mask.targets.shape[1] :] - wanted).abs().mean(-1)
    torch.testing.assert_close(with_them - without, 2 * (error * nearness(mask, GRID)).mean(), atol=1e-5, rtol=1e-5)


def test_nearness_is_one_over_the_root_of_the_distance():
    mask = Masks(torch.tensor([[0, 1, 63]]), torch.tensor([[2, 47]]))  # 2: two columns on; 47: one step before 63
    torch.testing.assert_close(nearness(mask, GRID), torch.tensor([[2**-0.5, 1.0, 1.0]]))


def test_the_student_learns_and_the_teacher_does_not():
    encoder, predictor, teacher, video, masks = networks(3)
    Dense()(encoder, predictor, teacher, video, masks).backward()
    assert encoder.patch_embed.proj.weight.grad.abs().sum() > 0 and teacher.patch_embed.proj.weight.grad is None


def test_a_predictor_of_another_width_is_refused():
    with pytest.raises(ValueError, match="output_width=192, 3 depths of the teacher, got 64"):
        Dense()(*networks(1))
