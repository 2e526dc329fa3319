"""What do frozen features know? Linear probes on mean-pooled tokens.

The headline probe of the book is linear on the mean of the tokens: with many labels an attentive probe is itself
a supervised motion network and would hide what the encoder has not learnt. Attentive probes, which the published
numbers are made with, are fitted in ``train.attentive``; ``python -m minijepa.train.fit_probe`` is their command.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from minijepa.intervals import wilson
from minijepa.model.encoder import VideoEncoder
from minijepa.train.probe_command import main

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # L2 weights tried, the best on validation clips is used


class ProbeResult(NamedTuple):
    """Report a probe on clips that took no part in fitting or choosing it."""

    accuracy: float  # top-1 on the test clips
    interval: tuple[float, float]  # 95% Wilson, over test clips, not over seeds
    penalty: float  # the L2 weight chosen on validation clips
    clips: int  # test clips


class LabelledFeatures(NamedTuple):
    """Pair one feature vector a clip with one label a clip."""

    features: Float[Tensor, "clips d"]
    labels: Int[Tensor, "clips"]


@torch.no_grad()
def pooled_features(encoder: VideoEncoder, video: Float[Tensor, "clips c f H W"], batch: int = 256) -> Float[Tensor, "clips d"]:
    """Return the mean over all tokens of each clip, from the encoder in evaluation mode."""
    encoder.eval()
    return torch.cat([encoder(part).mean(1) for part in video.split(batch)])


def linear_probe(
    train: LabelledFeatures, validation: LabelledFeatures, test: LabelledFeatures, penalties: Sequence[float] = PENALTIES
) -> ProbeResult:
    """Fit a multinomial logistic regression for each penalty and test the one that is best on validation clips.

    Features are standardised with the statistics of the training clips. Raises ValueError if a test label was
    never seen in training.
    """
    unseen = set(test.labels.tolist()) - set(train.labels.tolist())
    if unseen:
        raise ValueError(f"linear_probe: expected every test label among the training labels, got new {sorted(unseen)}")
    mean, std = train.features.mean(0), train.features.std(0) + 1e-6
    train, validation, test = (LabelledFeatures((s.features - mean) / std, s.labels) for s in (train, validation, test))
    fits = [(fit_logistic(train, penalty), penalty) for penalty in penalties]
    (weight, bias), penalty = max(fits, key=lambda fit: count_correct(*fit[0], validation))
    correct = count_correct(weight, bias, test)
    clips = len(test.labels)
    return ProbeResult(correct / clips, wilson(correct, clips), penalty, clips)


def fit_logistic(train: LabelledFeatures, penalty: float) -> tuple[Float[Tensor, "classes d"], Float[Tensor, "classes"]]:
    """Minimise cross-entropy + penalty/2 |W|^2 with L-BFGS; return weight and bias."""
    classes = int(train.labels.max()) + 1
    weight = torch.zeros(classes, train.features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(F.linear(train.features, weight, bias), train.labels)
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weight.detach(), bias.detach()


def count_correct(weight: Float[Tensor, "classes d"], bias: Float[Tensor, "classes"], test: LabelledFeatures) -> int:
    """Count the clips whose highest logit is their label."""
    return int((F.linear(test.features, weight, bias).argmax(1) == test.labels).sum())


if __name__ == "__main__":
    main()
