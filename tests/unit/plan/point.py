"""A point in the plane whose latents are its own place: a world in which the best plan is known."""

import torch

from minijepa.plan.cem import CEM, PlanConfig
from minijepa.plan.space import planar


class PointWorld:
    """Move by the action. Latents (b, 2) are places."""

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        return frames

    def step(self, latent, action, pose, memory):
        assert torch.allclose(latent, pose, atol=1e-6), "the pose goes with the latent"
        return latent + action, (memory or 0) + 1


class PointRobot:
    """Stand at `place`; what it does to an action can be changed."""

    def __init__(self, place=(0.0, 0.0), effect=lambda action: action) -> None:
        self.place, self.effect, self.done = torch.tensor([place]), effect, []

    def observe(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.place.clone(), self.place.clone()

    def act(self, action: torch.Tensor) -> None:
        self.done.append(action)
        self.place = self.place + self.effect(action)


SMALL = CEM(64, 8, 8)


def settings(horizon: int = 1, limit: float = 0.5, bounds=None, method=SMALL, **others) -> PlanConfig:
    return PlanConfig(planar(limit, bounds), method, horizon, **others)


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)
