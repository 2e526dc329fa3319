"""Register the environment by being imported, which is what ``gymnasium.make("minijepa_robot.registered:…")`` does."""

from minijepa_robot.env import register

NAME = register()
