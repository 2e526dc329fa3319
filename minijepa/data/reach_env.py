"""Put the plane of ``toy_reach`` behind gymnasium's interface: one world, one agent, ``reset`` and ``step``.

The library itself moves whole batches with ``toy_reach.advance``; this is for code that expects a gymnasium.Env. gymnasium
is in the extra ``robot`` and is imported only when an environment is made.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from minijepa.data.toy_physics import split_generator
from minijepa.data.toy_reach import ReachWorld, advance, sample_tasks
from minijepa.data.toy_reach_draw import draw

if TYPE_CHECKING:
    import gymnasium

SEED = 255  # of all environments, whose worlds are numbered by the step; training uses small seeds


class Plane:
    """Play one episode after the other; ``make_env`` makes a gymnasium.Env of it."""

    def __init__(self, world: ReachWorld, steps: int, split: str) -> None:
        self.world, self.steps, self.split = world, steps, split
        self.episode = -1

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict[str, np.ndarray], dict]:
        """Begin world number ``seed`` of the split, or the next one; return its first observation."""
        super().reset(seed=seed)  # of gymnasium
        self.episode = self.episode + 1 if seed is None else seed
        self.generator = split_generator(self.split, SEED, self.episode)
        self.tasks = sample_tasks(self.world, 1, self.steps, self.generator)
        self.state, self.time = self.tasks.start, 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, float]]:
        """Act once; return observation, minus the distance to the goal, whether it is reached, whether time is up."""
        chosen = torch.as_tensor(np.array(action, dtype=np.float32))[None]
        self.state, self.time = advance(self.world, self.tasks.scene, self.state, chosen), self.time + 1
        away = (self.state - self.tasks.goal).norm().item()
        return self._observe(), -away, away < self.world.radius, self.time >= self.steps, {"distance": away}

    def render(self) -> np.ndarray:
        """Return the newest picture."""
        return self.picture

    def _observe(self) -> dict[str, np.ndarray]:
        scene, radius = self.tasks.scene, self.world.radius
        image = draw(self.world.look, scene, self.state[:, None], radius, self.generator, first=self.time)[0, :, 0]
        self.picture, goal = (part.permute(1, 2, 0).numpy().copy() for part in (image, self.tasks.goal_image[0]))
        return {"image": self.picture.copy(), "goal": goal, "state": self.state[0].numpy().copy()}


def make_env(world: ReachWorld | None = None, steps: int = 15, split: str = "train") -> gymnasium.Env:
    """Make an environment whose observations are pictures and whose reward is minus the distance to the goal.

    observation: {"image": uint8 (H, W, 3), "goal": uint8 (H, W, 3), "state": float32 (2,)}; action: float32 (2,).
    An episode ends within one agent radius of the goal, and is cut after ``steps``. ``reset(seed=k)`` draws world k of the
    split, so a seed of "train" never gives a world of "test".
    Raises ModuleNotFoundError, with the way out, if gymnasium is missing.
    """
    if find_spec("gymnasium") is None:
        raise ModuleNotFoundError("make_env: expected gymnasium, found none; pip install 'minijepa[robot]'")
    import gymnasium
    from gymnasium import spaces

    world = world or ReachWorld()
    picture = spaces.Box(0, 255, (world.size, world.size, 3), np.uint8)

    class ReachEnv(Plane, gymnasium.Env):
        """Give the plane its spaces."""

        metadata = {"render_modes": ["rgb_array"]}
        render_mode = "rgb_array"
        observation_space = spaces.Dict({"image": picture, "goal": picture, "state": spaces.Box(-1, 1, (2,))})
        action_space = spaces.Box(-world.step, world.step, (2,))

    return ReachEnv(world, steps, split)
