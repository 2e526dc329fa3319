"""Spell out an action of the arm by its parts."""

import numpy as np


def step(**parts):
    """Return the action that changes these of x, y, z (m), roll, pitch, yaw (rad) and grip, and nothing else."""
    action = np.zeros(7)
    for name, value in parts.items():
        action["x y z roll pitch yaw grip".split().index(name)] = value
    return action
