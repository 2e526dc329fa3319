"""Register the environment by being imported, which is what ``gymnasium.make("minijepa_robot.sim.registered:…")`` does."""

from minijepa_robot.sim.env import register

NAME = register()
