"""Move a disc in a plane that holds a wall, and see it in small pictures among things that move on their own.

The world for action-conditioned models: the state is known, a whole batch of worlds moves at once, and a million
transitions are minutes. Lengths are in halves of the picture: it spans -1..1 in x (right) and y (down), one unit is 16 px
of 32. An action is a step (dx, dy), cut to +-``World.step`` on each axis.

What the agent cannot change (``Look``) is there on purpose: discs that jump, discs that drift, a texture that is new in
every episode, noise. Features that keep all of it are poor ones to plan with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from minijepa.data.toy_reach_draw import WALL_SHIFT, Look, Scene, draw, draw_scene
from minijepa.data.toy_start import uniform

SUBSTEPS = 4  # of a step, so that nothing passes through the wall
PUSHES = 3  # out of the wall and back into the box, in turn
TRIES = 16  # goals drawn for each episode, of which the first that is far enough away is kept


@dataclass(frozen=True)
class ReachWorld:
    """Describe the plane, the agent and the wall; lengths in halves of the picture."""

    size: int = 32  # px, height and width of a picture
    radius: float = 0.28  # of the agent, a white disc
    step: float = 0.25  # largest |dx| and |dy| of an action
    wall: tuple[float, float] = (0.12, 0.05)  # half the length and half the thickness of the wall; (0, 0): no wall
    momentum: float = 0.7  # chance that the random policy repeats its last action
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        if self.size < 16 or not 0 < self.radius < 0.5 or not 0 < self.step <= 1 or min(self.wall) < 0:
            raise ValueError(
                "ReachWorld: expected size >= 16 px, 0 < radius < 0.5, 0 < step <= 1 and a wall of lengths >= 0, got "
                f"size {self.size}, radius {self.radius}, step {self.step}, wall {self.wall}"
            )
        if any(self.wall) and 2 * self.radius + WALL_SHIFT + sum(self.wall) > 1:
            raise ValueError(
                f"ReachWorld: expected room between wall and border, 2 radius + {WALL_SHIFT} + wall lengths <= 1, "
                f"got radius {self.radius} and wall {self.wall}; shorten one of them"
            )

    @property
    def reach(self) -> float:
        """Give the largest |x| and |y| of the agent's centre."""
        return 1 - self.radius


@dataclass(frozen=True)
class Episodes:
    """Hold what a policy did in a batch of worlds, as pictures and as truth."""

    video: UInt8[Tensor, "b 3 f H W"]  # one more frame than there are actions
    states: Float[Tensor, "b f 2"]  # centre of the agent
    actions: Float[Tensor, "b t 2"]  # t = f - 1, as asked for; a wall may have shortened the step
    scene: Scene


def advance(world: ReachWorld, scene: Scene, state: Float[Tensor, "b 2"], action: Float[Tensor, "b 2"]) -> Float[Tensor, "b 2"]:
    """Move the agent by an action; it slides along the border and along the wall.

    Raises ValueError for an action that is not finite; one that is too long is cut to the box.
    """
    if not torch.isfinite(action).all():
        raise ValueError("action: expected finite numbers, got NaN or infinity; look at what the planner returned")
    part = action.clamp(-world.step, world.step) / SUBSTEPS
    for _ in range(SUBSTEPS):
        state = free(world, scene, state + part)
    return state


def free(world: ReachWorld, scene: Scene, state: Float[Tensor, "b 2"]) -> Float[Tensor, "b 2"]:
    """Push centres out of the wall and into the box, to the nearest free place."""
    for _ in range(PUSHES if world.wall[1] else 1):
        if world.wall[1]:
            foot = nearest_on_wall(scene, state)
            away = state - foot
            distance = away.norm(dim=1, keepdim=True).clamp(min=1e-6)
            least = world.radius + world.wall[1]
            state = torch.where(distance < least, foot + away * (least / distance), state)
        state = state.clamp(-world.reach, world.reach)
    return state


def nearest_on_wall(scene: Scene, state: Float[Tensor, "b 2"]) -> Float[Tensor, "b 2"]:
    """Return the point of each wall's middle line that is nearest to a state."""
    start, end = scene.wall[:, :2], scene.wall[:, 2:]
    along = end - start
    share = ((state - start) * along).sum(1, keepdim=True) / (along * along).sum(1, keepdim=True).clamp(min=1e-9)
    return start + share.clamp(0, 1) * along


def random_states(world: ReachWorld, scene: Scene, generator: torch.Generator) -> Float[Tensor, "b 2"]:
    """Draw free places, evenly over the box but for what the wall pushes aside."""
    place = uniform((len(scene.wall), 2), generator).float()
    return free(world, scene, (2 * place - 1) * world.reach)


def random_actions(world: ReachWorld, count: int, steps: int, generator: torch.Generator) -> Float[Tensor, "count steps 2"]:
    """Draw the actions of the random policy: even in the box, and often the same as the step before."""
    fresh = (2 * uniform((count, steps, 2), generator).float() - 1) * world.step
    repeat = uniform((count, steps), generator) < world.momentum
    repeat[:, 0] = False
    index = torch.where(repeat, 0, torch.arange(steps)).cummax(1).values  # where each step's action was drawn
    return fresh.gather(1, index[..., None].expand(-1, -1, 2))


def sample_episodes(world: ReachWorld, count: int, steps: int, generator: torch.Generator) -> Episodes:
    """Let the random policy act in ``count`` new worlds for ``steps`` steps; see ``toy_physics.split_generator``.

    Raises ValueError for a count or a number of steps below 1.
    """
    if count < 1 or steps < 1:
        raise ValueError(f"sample_episodes: expected at least 1 world and 1 step, got {count} and {steps}")
    scene = draw_scene(world.look, world.size, world.wall, count, steps + 1, generator)
    states = [random_states(world, scene, generator)]
    actions = random_actions(world, count, steps, generator)
    for action in actions.unbind(1):
        states.append(advance(world, scene, states[-1], action))
    track = torch.stack(states, 1)
    video = draw(world.look, scene, track, world.radius, generator)
    return Episodes(video, track, actions, scene)


@dataclass(frozen=True)
class Tasks:
    """Hold episodes to be solved: a start, and a goal that the agent is only shown as a picture."""

    scene: Scene
    start: Float[Tensor, "b 2"]
    goal: Float[Tensor, "b 2"]
    goal_image: UInt8[Tensor, "b 3 H W"]  # the agent at the goal; what moves on its own is elsewhere


def sample_tasks(world: ReachWorld, count: int, steps: int, generator: torch.Generator, nearest: float = 0.5) -> Tasks:
    """Draw worlds with a start and a goal at least ``nearest`` apart, up to the whole box.

    steps: that the agent will have; the goal's picture is a moment after them.
    Raises ValueError if ``nearest`` asks for more than the box has.
    """
    if not 0 <= nearest <= world.reach:
        raise ValueError(f"nearest: expected 0 to {world.reach:.2f}, so that every start has a goal, got {nearest}")
    scene = draw_scene(world.look, world.size, world.wall, count, steps + 2, generator)
    start = random_states(world, scene, generator)
    goal = random_states(world, scene, generator)
    for _ in range(TRIES):
        again = random_states(world, scene, generator)
        near: Bool[Tensor, "b 1"] = (goal - start).norm(dim=1, keepdim=True) < nearest
        goal = torch.where(near, again, goal)
    image = draw(world.look, scene, goal[:, None], world.radius, generator, first=steps + 1)
    return Tasks(scene, start, goal, image[:, :, 0])
