"""Each variant leaves out exactly the part that it names."""

import pytest
import torch

from minijepa.config import EncoderConfig, PredictorConfig
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.study.variants import Variant, generator_of
from minijepa.train.masks import Future, Tube
from minijepa.train.objective import latent_loss
from minijepa.train.regularise import sigreg, variance_covariance


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    encoder = VideoEncoder(EncoderConfig.tiny(), generator)
    teacher = VideoEncoder(EncoderConfig.tiny(), generator)
    predictor = MaskedPredictor(PredictorConfig.tiny(), generator)
    video = torch.randn(4, 3, 8, 32, 32, generator=generator)
    masks = [mask.draw((4, 4, 4), 4, generator) for mask in (Tube(), Future())]
    return encoder, predictor, teacher, video, masks


def gradients(variant, batch) -> dict[str, torch.Tensor | None]:
    variant(*batch).backward()
    encoder, predictor, teacher = batch[:3]
    return {
        "encoder": encoder.patch_embed.proj.weight.grad,
        "predictor": predictor.predictor_proj.weight.grad,
        "teacher": teacher.patch_embed.proj.weight.grad,
    }


def test_untouched_variant_is_the_objective(batch):
    assert Variant()(*batch) == latent_loss(*batch)


@pytest.mark.parametrize(
    "variant",
    [Variant(), Variant(targets="student", stop_gradient=False), Variant(regulariser="sigreg", directions=4)],
    ids=repr,
)
def test_teacher_never_gets_a_gradient(variant, batch):
    found = gradients(variant, batch)
    assert found["teacher"] is None and found["encoder"].abs().max() > 0 and found["predictor"].abs().max() > 0


def test_student_targets_do_not_read_the_teacher(batch):
    variant = Variant(targets="student")
    before = variant(*batch)
    for parameter in batch[2].parameters():
        parameter.data.zero_()
    assert variant(*batch) == before and Variant()(*batch) != before


def test_stop_gradient_changes_gradients_and_not_the_loss(batch):
    with_stop, without = Variant(targets="student"), Variant(targets="student", stop_gradient=False)
    assert with_stop(*batch).item() == pytest.approx(without(*batch).item(), abs=1e-6)
    first = gradients(with_stop, batch)["encoder"].clone()
    batch[0].zero_grad()
    assert not torch.allclose(first, gradients(without, batch)["encoder"], rtol=1e-2, atol=1e-4)


def test_layer_norm_can_be_left_out(batch):
    for parameter in batch[2].norm.parameters():
        parameter.data.mul_(0.001)  # targets that shrank to nothing
    assert Variant(layer_norm=False)(*batch) < 0.7 * Variant()(*batch)


def test_without_a_predictor_its_weights_get_no_gradient(batch):
    assert gradients(Variant(predictor=False), batch)["predictor"] is None


@pytest.mark.parametrize("samples", ["tokens", "clips"])
@pytest.mark.parametrize("regulariser", ["variance_covariance", "sigreg"])
def test_regulariser_is_added_with_its_weight(batch, regulariser, samples):
    plain = Variant()(*batch)
    loss = Variant(regulariser=regulariser, weight=0.5, samples=samples, directions=8)(*batch)
    tokens = batch[0](batch[3])
    features = tokens.mean(1) if samples == "clips" else tokens.flatten(0, 1)
    if regulariser == "sigreg":
        term = sigreg(features, generator_of(batch[3]), 8) / len(features)
    else:
        term = variance_covariance(features).variance + variance_covariance(features).covariance / 25
    assert (loss - plain).item() == pytest.approx(0.5 * term.item(), abs=1e-5) and term > 1e-3


def test_generator_is_new_for_every_batch_and_repeats(batch):
    video = batch[3]
    states = [generator_of(v).get_state() for v in (video, video.clone(), video + 0.01)]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_gradient_through_a_teacher_is_refused():
    with pytest.raises(ValueError, match="targets='student'"):
        Variant(stop_gradient=False)
