"""The rival of the latent world model: the same network on the pixels themselves.

``PixelWorld`` predicts the next picture, ``FlowWorld`` draws it from noise in a few steps, as generative world models do.
Both are world models for ``minijepa.plan``: their latents are pictures in patches, and their energy is a distance of pixels.
"""

import math
from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from minijepa.config import ActionPredictorConfig
from minijepa.data.preprocess import denormalize, normalize
from minijepa.model.action_predictor import ActionPredictor, Past

Patches = Float[Tensor, "s n d"]
Actions = Float[Tensor, "s a"]


def cut(frames: UInt8[Tensor, "b 3 H W"], patch: int) -> Float[Tensor, "b n d"]:
    """Normalise pictures as for an encoder and cut them into patches, n = (H / patch) (W / patch), d = 3 patch^2.

    Raises ValueError unless the patch divides height and width.
    """
    if frames.shape[-1] % patch or frames.shape[-2] % patch:
        raise ValueError(f"cut: expected sides that are multiples of patch {patch}, got {tuple(frames.shape[-2:])}")
    pixels = normalize(frames[:, :, None])
    return rearrange(pixels, "b c 1 (h p) (w q) -> b (h w) (c p q)", p=patch, q=patch)


def paste(patches: Float[Tensor, "b n d"], grid: tuple[int, int]) -> UInt8[Tensor, "b 3 H W"]:
    """Undo ``cut``: put patches together to pictures; what is not a colour is brought to the nearest one."""
    side = math.isqrt(patches.shape[-1] // 3)
    pixels = rearrange(patches, "b (h w) (c p q) -> b c 1 (h p) (w q)", h=grid[0], c=3, p=side)
    return denormalize(pixels)[:, :, 0]


class PixelWorld:
    """Imagine the next picture by regression: ``LatentWorld`` without an encoder and without layer norms."""

    def __init__(self, predictor: ActionPredictor, grid: tuple[int, int]) -> None:
        self.predictor, self.grid = predictor, grid  # grid: patches (h, w) of one picture

    def encode(self, frames: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b n d"]:
        """Return the pictures in patches; nothing is encoded."""
        return cut(frames, patch_side(self.predictor.config))

    def step(self, latent: Patches, action: Actions, pose: Actions, memory: None) -> tuple[Patches, None]:
        """Imagine the next picture from this one; there is no memory of those before."""
        shared = latent[:1] if latent.stride(0) == 0 else latent  # one start, expanded to all samples
        return self.predictor.step(shared, action[:, None], pose[:, None], self.grid)[0], None


class FlowWorld(PixelWorld):
    """Imagine the next picture by drawing it: from noise to a picture in ``steps`` Euler steps of a learnt flow.

    Implements flow matching (Lipman et al. 2023, arXiv 2210.02747) with straight paths x_tau = (1 - tau) noise + tau x. The
    network predicts x, and the velocity is (x - x_tau) / (1 - tau). It reads two time steps: the picture now, and the noisy
    next one, with the action. The first does not depend on the action, so its keys are computed once for all samples and steps.
    All samples of a call share their noise: what differs between them is the action alone.
    """

    def __init__(self, predictor: ActionPredictor, grid: tuple[int, int], steps: int = 4, seed: int = 0) -> None:
        super().__init__(predictor, grid)
        self.steps, self.generator = steps, Generator().manual_seed(seed)

    def step(self, latent: Patches, action: Actions, pose: Actions, memory: None) -> tuple[Patches, None]:
        """Draw the next picture, given this one and the action; there is no memory of those before."""
        shared = latent[:1] if latent.stride(0) == 0 else latent
        past = look(self.predictor, shared, pose[: len(shared)], self.grid)
        past = [Past(*(part.expand(len(action), -1, -1, -1) for part in layer)) for layer in past]
        noise = torch.randn(1, *latent.shape[1:], generator=self.generator).to(latent).expand_as(latent)

        def read_out(noisy: Tensor, tau: float | int) -> Tensor:
            times = torch.full((len(action),), float(tau)).to(latent)
            return denoise(self.predictor, noisy, (action, pose, times), self.grid, shared, past)

        return euler(read_out, noise, self.steps), None


def euler(read_out: Callable[[Tensor, float | int], Tensor], noise: Patches, steps: int) -> Patches:
    """Follow a flow from noise (tau = 0) to a picture (tau = 1) in ``steps`` steps of equal length.

    read_out: (noisy picture, tau) -> the clean picture x as far as it can be told; the velocity is (x - noisy) / (1 - tau).
    Raises ValueError for fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"euler: expected at least 1 step, got {steps}")
    drawn = noise
    for i in range(steps):
        drawn = drawn + (read_out(drawn, i / steps) - drawn) / (steps - i)
    return drawn


def look(predictor: ActionPredictor, now: Patches, pose: Actions, grid: tuple[int, int]) -> list[Past]:
    """Read the picture now, with no action and no noise; return its keys and values."""
    clean = torch.ones(len(now)).to(now)
    return predictor.step(now, timed(torch.zeros_like(pose), clean), timed(pose, clean), grid)[1]


def denoise(
    predictor: ActionPredictor,
    noisy: Patches,
    given: tuple[Actions, Actions, Float[Tensor, "s"]],
    grid: tuple[int, int],
    now: Float[Tensor, "#s n d"],
    past: list[Past],
) -> Patches:
    """Return the next picture as far as a noisy one shows it; ``given``: action, pose and tau, 0 noise to 1 picture."""
    action, pose, tau = given
    change, _ = predictor.step(noisy, timed(action, tau), timed(pose, tau), grid, past)
    return now + change


def timed(values: Float[Tensor, "s a"], tau: Float[Tensor, "s"]) -> Float[Tensor, "s 1 k"]:
    """Append tau as a point on a quarter of the circle: this is how the network learns how noisy a picture is."""
    angle = tau[:, None] * math.pi / 2
    return torch.cat((values, angle.sin(), angle.cos()), 1)[:, None]


def flow_loss(
    predictor: ActionPredictor,
    now: Patches,
    after: Patches,
    given: tuple[Actions, Actions],
    grid: tuple[int, int],
    generator: Generator,
) -> Float[Tensor, ""]:
    """Return the mean squared error of the picture that is read out of a noisy one, at a random tau for each sample.

    now, after: pictures in patches, before and after an action. given: the actions, and the poses before them.
    """
    tau = torch.rand(len(now), generator=generator).to(now)
    noise = torch.randn(now.shape, generator=generator).to(now)
    noisy = torch.lerp(noise, after, tau[:, None, None])
    found = denoise(predictor, noisy, (*given, tau), grid, now, look(predictor, now, given[1], grid))
    return (found - after).square().mean()


def pixel_predictor(patch: int = 16, width: int = 72, flow: bool = False) -> ActionPredictorConfig:
    """Return a network for patches of pixels that is as large as the toy encoder, projector and predictor together."""
    channels = 4 if flow else 2  # of an action in the plane; the flow adds two for tau
    return ActionPredictorConfig(3 * patch**2, width, 2, 3, residual=not flow, action_width=channels, rope="textbook")


def patch_side(config: ActionPredictorConfig) -> int:
    """Return the side of the patches that a network reads, in pixels."""
    return math.isqrt(config.encoder_width // 3)
