"""Offer the simulated arm as an environment of gymnasium.

    env = gymnasium.make("minijepa_robot.sim.registered:minijepa/Franka-v0")

Importing this file registers nothing; ``register`` does, and so does importing ``minijepa_robot.sim.registered``, which is what
the name before the colon asks gymnasium to do.
"""

from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import UInt8

from minijepa_robot.sim import behave
from minijepa_robot.sim.kinematics import Unreachable
from minijepa_robot.sim.scene import SIDE, WRIST, Camera, Scene
from minijepa_robot.sim.simulation import Simulation

ID = "minijepa/Franka-v0"
LONGEST = np.array((behave.LONGEST,) * 3 + (0.15,) * 3 + (1.0,), dtype=np.float32)  # m, rad, closedness of one action
LIFTED = 0.05  # m, height of the cube's middle that counts as lifted
STARTS = 20  # drawn before an episode is given up
Observation = dict[str, np.ndarray]


class FrankaEnv(gymnasium.Env):
    """Move the arm four times a second by changes of the hand's pose, in the robot's base frame.

    scene: one for all episodes, or None: a new one is drawn at every reset. camera: where "side" stands. size: px of a picture.
    cameras: of "side" and "wrist", those to observe; with () no OpenGL is needed. steps: actions of an episode.

    Actions (7,) float32: x y z within 7.5 cm, three angles within 0.15 rad, closedness within 1. Observations: a picture
    of each camera, uint8 (size, size, 3), and "pose" (7,) float32. The reward is 1 while the cube is at least 5 cm up, else 0.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(
        self,
        scene: Scene | None = None,
        camera: Camera = SIDE,
        size: int = 128,
        cameras: tuple[str, ...] = ("side", WRIST),
        steps: int = 48,
        render_mode: str | None = None,
    ) -> None:
        if steps < 1 or not set(cameras) <= {"side", WRIST}:
            raise ValueError(f"FrankaEnv: expected steps >= 1 and cameras of side and wrist, got {steps} and {cameras}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"FrankaEnv: expected render_mode None or 'rgb_array', got {render_mode!r}")
        self.render_mode = render_mode
        self._scene, self._camera, self._size, self._cameras, self._steps = scene, camera, size, cameras, steps
        self._simulation: Simulation | None = None
        self._done = 0
        self.action_space = gymnasium.spaces.Box(-LONGEST, LONGEST, dtype=np.float32)
        bound = np.array((2.0, 2.0, 2.0, np.pi, np.pi, np.pi, 1.0), dtype=np.float32) + 1e-3
        picture = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        pose = gymnasium.spaces.Box(-bound, bound, dtype=np.float32)
        self.observation_space = gymnasium.spaces.Dict({name: picture for name in cameras} | {"pose": pose})

    @property
    def simulation(self) -> Simulation:
        """Return the world of this episode; raises ``gymnasium.error.ResetNeeded`` before the first one."""
        if self._simulation is None:
            raise gymnasium.error.ResetNeeded("call reset() first: it builds the world of the episode")
        return self._simulation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode: scene, cube and hand follow from the seed, the rest of the seeds from the first.

        options: "layout", a ``behave.Layout``, sets hand and cube; other names raise ValueError.
        """
        super().reset(seed=seed)
        options = options or {}
        if set(options) - {"layout"}:
            raise ValueError(f"reset: expected options among ['layout'], got {sorted(options)}")
        generator = torch.Generator().manual_seed(int(self.np_random.integers(2**31)))
        if self._scene is None or self._simulation is None:
            scene = self._scene or Scene.random(generator)
            self.close()
            self._simulation = Simulation(scene, {"side": self._camera}, self._size)
        if "layout" in options:
            self._place(options["layout"])
        else:
            self._place_somewhere(generator)
        self._done = 0
        return self._observe(), self._info()

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action of 250 ms; returns observation, reward, False, whether the episode is cut here, and facts.

        Raises ValueError for an action of another shape, with NaN or outside the action space; the arm does not move then.
        """
        simulation, asked = self.simulation, np.asarray(action, dtype=np.float32)
        if asked.shape != (7,) or not np.isfinite(asked).all():
            raise ValueError(f"step: expected an action of 7 finite numbers, got {asked.tolist()}")
        if (np.abs(asked) > LONGEST).any():
            raise ValueError(
                f"step: expected an action within {LONGEST.tolist()}, got {asked.tolist()}; clip it or take several steps"
            )
        simulation.act(asked)
        self._done += 1
        info = self._info()
        return self._observe(), float(info["lifted"]), False, self._done >= self._steps, info

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """Return the picture of the side camera, if ``render_mode`` asks for pictures."""
        return self.simulation.picture("side") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Give back what draws the pictures; closing twice is fine."""
        if self._simulation is not None:
            self._simulation.close()
        self._simulation = None

    def _place(self, layout: behave.Layout) -> None:
        known = {name: place for name, place in layout.objects.items() if name in self.simulation.objects}
        self.simulation.reset(layout.hand, known)

    def _place_somewhere(self, generator: torch.Generator) -> None:
        """Draw starts until the arm can take one; at the border next to the base, about one in a thousand it cannot."""
        for _ in range(STARTS):
            try:
                return self._place(behave.draw_layout(generator))
            except Unreachable as error:
                refused = error
        raise refused

    def _observe(self) -> Observation:
        pictures = {name: self.simulation.picture(name) for name in self._cameras}
        return pictures | {"pose": self.simulation.pose.astype(np.float32)}

    def _info(self) -> dict[str, Any]:
        """Tell what pictures only show: where the cube is (m), whether it is lifted, and the commanded pose."""
        cube = self.simulation.place("cube") if "cube" in self.simulation.objects else np.full(3, np.nan)
        return {"cube": cube, "lifted": bool(cube[2] > LIFTED), "command": self.simulation.command}


def register() -> str:
    """Make the environment known to gymnasium, once, and return its name."""
    if ID not in gymnasium.registry:
        gymnasium.register(ID, entry_point="minijepa_robot.sim.env:FrankaEnv")
    return ID
