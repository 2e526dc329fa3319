"""Anticipate an action: which clip is shown before it, and the tokens of what was seen and of what is expected.

    action --clip_indices--> frames of the clip --VideoEncoder--> n tokens of what was seen
           --MaskedPredictor, asked for the time step of the anchor--> h w tokens of what is expected
           --AttentiveProbe with three queries--> verb, noun, action

Official files: evals/action_anticipation_frozen/epickitchens.py (the clip) and
modelcustom/vit_encoder_predictor_concat_ar.py (the tokens).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn import functional as F

from minijepa.data.sampling import TOLERANCE
from minijepa.data.sets.epic_kitchens import Segment
from minijepa.data.video import Rule, Timeline, decode, evaluation_clip, read_timeline
from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.model.probe import ActionLogits

Anchor = Literal["start", "released"]
Part = Literal["both", "encoder", "predictor"]


@dataclass(frozen=True)
class Window:
    """Say which clip is shown before an action; the default is the EPIC-KITCHENS-100 protocol as it is written."""

    frames: int = 32  # of the clip
    fps: float | int = 8  # Hz, of the clip
    ahead: float | int = 1.0  # seconds from the end of the clip to the anchor; official: 1, in training U(0.25, 1.75)
    point: float | int = 0.0  # where in the action the anchor lies; official: 0, in training U(0, 0.25)
    anchor: Anchor = "start"  # "start": point 0 is the first frame; "released": point 0 is the last frame
    rule: Rule = "timestamps"  # choose frames by their times; "released": every int(video fps / fps)-th frame

    def __post_init__(self) -> None:
        if self.frames < 1 or self.fps <= 0 or self.ahead < 0 or not 0 <= self.point <= 1:
            raise ValueError(
                f"Window: expected frames >= 1, fps > 0, ahead >= 0 and point in 0..1, got {self}; mend that field"
            )


def training_window(
    window: Window,
    generator: Generator,
    ahead: tuple[float | int, float | int] = (0.25, 1.75),
    point: tuple[float | int, float | int] = (0.0, 0.25),
) -> Window:
    """Draw the window of one training clip: `ahead` (seconds) and `point` uniform between these bounds."""
    u = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    return replace(window, ahead=ahead[0] + (ahead[1] - ahead[0]) * u[0], point=point[0] + (point[1] - point[0]) * u[1])


def anchor_frame(action: tuple[float | int, float | int], window: Window) -> float:
    """Return the frame that is to be anticipated, in general between two frames; or the second, of an action in seconds.

    The paper's appendix places point 0 on the first frame of the action and 1 on the last. The released code
    has the two ends swapped, start * point + (1 - point) * stop, and evaluates with point 0: its clips end before
    the END of the action, and most of them show its beginning.
    """
    start, stop = action
    early = 1 - window.point if window.anchor == "start" else window.point  # weight of the first frame
    return float(start * early + (1 - early) * stop)


def clip_indices(
    action: tuple[int, int], window: Window, times: Float[np.ndarray, "n"], video_fps: float | int
) -> Int[np.ndarray, "frames"]:
    """Choose the frames of the clip that is shown before an action.

    By time stamps, the last frame is the one that a viewer sees `ahead` seconds before the anchor. By the released
    rule the clip is [af - frames * step, af) in steps of int(video fps / fps), with af the anchor less
    int(ahead * video fps) frames. Where the video begins too late for the clip, its first frame is repeated.

    Differs: with anchor="released" and rule="released" nothing; the official code skips a clip whose frames the
    decoder refuses, here the last frame of the video is repeated.

    Args:
        action: first and last frame of the action.
        window: the clip.
        times: time of each frame of the video in seconds, as `Timeline.times`.
        video_fps: mean rate of the video in Hz, as `Timeline.fps`; only the released rule asks for it.

    Returns:
        Frame numbers, (frames,), int64.

    Raises:
        ValueError: an action that stops before it starts or begins after the video; a video slower than the clip under
            the released rule.
    """
    if not 0 <= action[0] <= action[1] or action[0] >= len(times):
        wrong = f"an action inside a video of {len(times)} frames, got frames {action[0]} to {action[1]}"
        raise ValueError(f"clip_indices: expected {wrong}; are annotation and video of the same release?")
    anchor = anchor_frame(action, window)
    if window.rule == "released":
        step = int(video_fps / window.fps)
        if step < 1:
            wrong = f"a video of at least {window.fps:g} Hz, got {video_fps:g}"
            raise ValueError(f"clip_indices: expected {wrong}; use rule='timestamps', which repeats frames")
        end = int(anchor - int(window.ahead * video_fps))
        indices = np.arange(end - window.frames * step, end, step)
        return indices.clip(0, len(times) - 1).astype(np.int64)
    return _frames_before(float(np.interp(anchor, np.arange(len(times)), times)), window, times)


def _frames_before(anchor: float, window: Window, times: np.ndarray) -> np.ndarray:
    """Give the frames that a viewer sees at the times of the clip, for an anchor in seconds."""
    wanted = anchor - window.ahead - np.arange(window.frames)[::-1] / window.fps
    seen = np.searchsorted(times, wanted + TOLERANCE, side="right") - 1
    return seen.clip(0, len(times) - 1).astype(np.int64)


def segment_indices(segment: Segment, window: Window, timeline: Timeline) -> Int[np.ndarray, "frames"]:
    """Choose the frames of the clip before an annotated action of EPIC-KITCHENS-100; see `clip_indices`.

    By time stamps, the action is where the annotation's seconds are in this very file. By the released rule it is where the
    annotation's frame numbers are, which count the frames of the original videos: on a copy of another rate
    they point to another moment.

    Raises:
        ValueError: as `clip_indices`.
    """
    times = timeline.times
    if window.rule == "released":
        return clip_indices(segment.frames, window, times, timeline.fps)
    if segment.seconds[0] > times[-1]:
        wrong = f"{segment.name} to start before the video ends at {times[-1]:.2f} s, got {segment.seconds[0]:.2f} s"
        raise ValueError(f"{segment.path}: expected {wrong}; is the copy whole, and of the release of the annotation?")
    return _frames_before(anchor_frame(segment.seconds, window), window, times)


def anticipation_clip(
    segment: Segment, window: Window, crop: int, timeline: Timeline | None = None
) -> Float[Tensor, "c f S S"]:
    """Read the clip before an annotated action as the evaluation does: one view, from the centre.

    Args:
        segment: the action, as `epic_kitchens.read` lists it.
        window: which frames.
        crop: side of the square clip in pixels; official 256, and 384 for the largest model.
        timeline: what `read_timeline` gave for the video. Keep it: a kitchen video is long and holds many actions, and its
            time line costs a walk through the whole file.

    Returns:
        (3, frames, crop, crop), float32, normalised.

    Raises:
        ValueError: as `segment_indices`; VideoError where the video cannot be read.
    """
    timeline = timeline or read_timeline(segment.path)
    indices = segment_indices(segment, window, timeline)
    return evaluation_clip(decode(segment.path, indices.tolist(), timeline=timeline), crop)


@torch.no_grad()
def anticipation_tokens(
    encoder: VideoEncoder,
    predictor: MaskedPredictor,
    video: Float[Tensor, "b c f H W"],
    ahead: Float[Tensor, "b"] | float | int = 1.0,
    fps: float | int = 8,
    mask_token: int = 1,
    part: Part = "both",
) -> Float[Tensor, "b m d"]:
    """Encode a clip and predict the one time step that lies `ahead` seconds behind its end.

    Context ids are 0 … n-1; target ids are n + h w steps + (0 … h w - 1) with steps = int(ahead * fps / tubelet), 4 for a
    second at 8 Hz. Encoder tokens come after the final norm, predicted ones as they are.

    Args:
        encoder, predictor: frozen, and in evaluation mode.
        video: b normalised clips at `fps`.
        ahead: seconds from the end of the clip to the predicted time step, one for all clips or one each.
        fps: rate of the clip in Hz.
        mask_token: the query of a hidden token. The released evaluation takes 1, which training left at zero; training
            used 0.
        part: both as released; "encoder" or "predictor" alone for the ablation of the paper's table 20.

    Returns:
        (b, n + h w, d) for both parts, what was seen first; (b, n, d) or (b, h w, d) for one.

    Raises:
        ValueError: `ahead` below 0; shapes that encoder or predictor refuse.
    """
    tokens = encoder(video)
    if part == "encoder":
        return tokens
    t, h, w = encoder.grid(video)
    seconds = torch.as_tensor(ahead, device=video.device, dtype=torch.float64).expand(len(video))
    if bool((seconds < 0).any()):
        raise ValueError(f"anticipation_tokens: expected ahead of 0 seconds or more, got {ahead}; the past is in the clip")
    steps = (seconds * fps / encoder.config.tubelet).long()
    context = torch.arange(t * h * w, device=video.device).expand(len(video), -1)
    targets = t * h * w + h * w * steps[:, None] + torch.arange(h * w, device=video.device)
    grid = (t + int(steps.max()) + 1, h, w)  # long enough for the farthest future
    expected = predictor(tokens, context, targets, grid, mask_token)
    return expected if part == "predictor" else torch.cat((tokens, expected), dim=1)


def focal_loss(
    logits: Float[Tensor, "b k"], labels: Int[Tensor, "b"], alpha: float | int = 0.25, gamma: float | int = 2
) -> Float[Tensor, ""]:
    """Sum the sigmoid focal loss over all clips and classes.

    With p the sigmoid of a logit where the class is the label, and one minus it elsewhere: - a (1 - p)^gamma log p, where
    a is alpha for the label and 1 - alpha elsewhere (Lin et al. 2017). Official: alpha 0.25, gamma 2, sum.
    """
    hit = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, hit, reduction="none")  # - log p
    weight = alpha * hit + (1 - alpha) * (1 - hit)
    return (weight * (1 - torch.exp(-cross_entropy)) ** gamma * cross_entropy).sum()


def action_loss(logits: ActionLogits, labels: Int[Tensor, "b 3"]) -> Float[Tensor, ""]:
    """Add the focal losses of verb, noun and action, as the released evaluation trains its probes."""
    return torch.stack([focal_loss(part, labels[:, i]) for i, part in enumerate(logits)]).sum()
