"""The Franka of minijepa: a simulated and a real arm, their episodes, and the world model that moves them.

It imports minijepa, never the other way. Physics, cameras and the arm's protocol come with the extra `robot`.
"""
