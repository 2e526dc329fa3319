"""A world model that needs no training: it knows where the hand is, and may be wrong about which way actions go."""

import torch

from minijepa_robot.learn.world import ArmWorld


def turned(degrees):
    angle = torch.tensor(float(degrees)).deg2rad()
    return torch.tensor([[angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]])


class Plane(ArmWorld):
    """Sees x and y of the hand (m) from the side, and from the wrist what misleads."""

    def __init__(self, degrees):
        """degrees: by which it believes that actions are turned; W* is that turn."""
        blocks = {"side": slice(2), "wrist": slice(2, 4)}
        vars(self).update(matrix=turned(degrees), blocks=blocks, lenses={}, seen=[])  # an ArmWorld is frozen

    def encode(self, frames):
        self.seen.append(frames)
        return torch.cat((frames.pose[:, :2], -frames.pose[:, :2]), -1)[:, None]

    def step(self, latent, action, pose, memory):
        place = (latent[:, 0, :2] + pose[:, :2]) / 2 + action[:, :2] @ self.matrix
        return torch.cat((place, place), -1)[:, None], memory
