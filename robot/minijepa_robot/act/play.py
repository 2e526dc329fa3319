"""Let the arm act from goal pictures, by one way or another, and write down how every episode ended.

Stages say which goal picture is followed for how many actions, and what its energy weighs: the view from the side, the view
from the wrist, the gripper. The paper does the same with sub-goals and fixed switching times.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Generator, Tensor

from minijepa.plan.cem import CEM, PlanConfig
from minijepa.plan.control import Decision, Robot, SubGoal, control
from minijepa.plan.space import ActionSpace, Group, franka
from minijepa_robot.act.oracle import TrueDynamics
from minijepa_robot.act.seeing import goal_seen, look
from minijepa_robot.learn.world import ArmWorld, Seen
from minijepa_robot.sim.behave import LONGEST, Move, go, hold, pick, put, towards, wander
from minijepa_robot.sim.scene import SIDE, Camera
from minijepa_robot.sim.simulation import Simulation
from minijepa_robot.sim.tasks import Goal, Outcome, Task, start, success

Arm = Literal["plan", "one picture", "true dynamics", "tracker", "expert", "random"]
PLANNING: tuple[Arm, ...] = ("plan", "one picture", "true dynamics")
FAR = {"side": 1.0, "gripper": 3.0}  # the view from the side knows the way from anywhere
BOTH = FAR | {"wrist": 0.5}
NEAR = {"side": 0.1, "wrist": 1.0, "gripper": 3.0}  # the view from the wrist knows where the cube is, once it sees it


class Stage(NamedTuple):
    """Name a goal picture of the task, how many actions it gets, and what its energy weighs.

    With ``after``, not the place that the picture shows is wanted but the way to it: the goal is what is seen when the stage
    begins plus the difference of the two pictures' latents, in which actions are straight steps.
    """

    goal: str
    steps: int
    weights: Mapping[str, float]
    after: str | None = None


def stages(weights: Mapping[str, float], steps: Mapping[str, int]) -> tuple[Stage, ...]:
    """Return stages that all weigh alike, from names and numbers of actions."""
    return tuple(Stage(name, count, weights) for name, count in steps.items())


GRASP = {"above": 9, "at": 4, "closed": 3}
LIFT = GRASP | {"lifted": 3}
PUT = {"over": 8, "down": 4, "placed": 3}
STAGES: dict[str, tuple[Stage, ...]] = {
    "reach": (Stage("reached", 12, {"side": 1.0}),),
    "grasp": stages(BOTH, GRASP),
    "lift": stages(BOTH, LIFT),
    "reach with object": (Stage("reached", 12, FAR),),
    "pick and place": (*stages(BOTH, LIFT), *stages(FAR, PUT)),
}
# Where the cube is not where the pictures show it: from above, the wrist finds it; then the way is followed, not the place.
DISPLACED = (
    Stage("above", 6, FAR),
    Stage("above", 5, NEAR),
    Stage("at", 4, FAR, "above"),
    Stage("closed", 3, FAR, "at"),
    Stage("lifted", 3, FAR, "closed"),
)


@dataclass(frozen=True)
class Played:
    """Hold what became of an episode."""

    outcome: Outcome
    ever: bool  # done at any moment, not only at the end
    seconds: float  # CPU time of an action, looking included; 0 without a planner
    track: Float64[np.ndarray, "moments 7"]  # poses of the hand, the start included
    cube: Float64[np.ndarray, "moments 3"]
    decisions: tuple[Decision, ...] = field(default=(), repr=False)
    film: tuple[UInt8[np.ndarray, "H W 3"], ...] = field(default=(), repr=False)


def arm_space(limit: float | int = LONGEST) -> ActionSpace:
    """Return what the planner searches: x, y, z up to ``limit`` metres on an axis, and the gripper; the hand does not turn.

    The gripper's group is the released one: what is less than a quarter of its way is not done, so that noise does not open a
    hand that holds something. The simulation keeps the hand in the workspace itself, so poses have no bounds here;
    ``arm.limits`` has those of an arm.
    """
    return franka(Group((0, 1, 2), limit, limit))


def planner(samples: int = 128, iterations: int = 4, horizon: int = 1) -> PlanConfig:
    """Return the planner of the arm: the cross-entropy method, one action ahead."""
    method = CEM(samples, iterations, max(2, samples // 8))
    return PlanConfig(arm_space(), method, horizon, when="sum", chunk=samples)


class SimulatedRobot:
    """Stand in a simulation: look and move, as ``minijepa.plan.control.Robot`` asks; what happens is written down."""

    def __init__(self, simulation: Simulation, task: Task, film: int = 0, calibration: Tensor | None = None) -> None:
        self.simulation, self.task, self.film_size = simulation, task, film
        self.calibration = calibration  # (2, 2): planned x and y times it are done; see ``camera``
        self.track, self.cube, self.film, self.ever = [], [], [], False
        self._note()

    def observe(self) -> tuple[Seen, Float[Tensor, "1 7"]]:
        """Return what both cameras see and the measured pose."""
        seen = look(self.simulation)
        return seen, seen.pose

    def act(self, action: Float[Tensor, "7"]) -> None:
        """Do one action of 250 ms."""
        if self.calibration is not None:
            action = torch.cat(((action[:2] @ self.calibration).clamp(-LONGEST, LONGEST), action[2:]))
        self.simulation.act(action.double().numpy())
        self._note()

    def _note(self) -> None:
        self.track.append(self.simulation.pose)
        self.cube.append(self.simulation.place("cube"))
        self.ever = self.ever or success(self.simulation, self.task).done
        if self.film_size:
            self.film.append(self.simulation.picture("side", self.film_size).copy())


@dataclass(frozen=True)
class Setting:
    """Say how an episode is played, beside task and planner."""

    stages: tuple[Stage, ...] = ()  # empty: those of ``STAGES``
    side: Camera = SIDE  # where the third-person camera stands
    calibration: Tensor | None = None  # (2, 2), see ``camera.calibrate``
    film: int = 0  # side in px of a film from the side, 0 for none


def play(
    task: Task,
    arm: Arm,
    world: ArmWorld | None,
    config: PlanConfig,
    seed: int,
    setting: Setting = Setting(),  # noqa: B008
) -> Played:
    """Play one episode and judge how it ended.

    arm: "plan" follows the stages, "one picture" only the last goal for as many actions; "true dynamics" plans with the
    simulator in the place of the predictor; "tracker" moves the hand straight to
    the goals' poses, which it is told; "expert" is the script, which knows where the cube is; "random" wanders.
    seed: of planner and policy.
    """
    chosen = setting.stages or STAGES[task.kind]
    generator = Generator().manual_seed(1_000_003 * seed + 17)
    with Simulation(task.scene, {"side": setting.side}, size=64) as simulation:
        start(simulation, task)
        robot = SimulatedRobot(simulation, task, film=setting.film, calibration=setting.calibration)
        decisions, cost = (), 0.0
        if arm in PLANNING:
            if arm == "one picture":
                chosen = (Stage(task.goal.name, total(chosen), chosen[-1].weights),)
            imagined = TrueDynamics(world, simulation) if arm == "true dynamics" else world
            decisions, cost = follow(imagined, robot, task.goals, chosen, config, generator)
        elif arm == "tracker":
            track(robot, chosen)
        else:
            act_out(robot, arm, chosen, generator)
        outcome = success(simulation, task)
    return Played(outcome, robot.ever, cost, np.stack(robot.track), np.stack(robot.cube), decisions, tuple(robot.film))


def follow(
    world: ArmWorld | TrueDynamics,
    robot: Robot,
    shown: Sequence[Goal],
    stages: Sequence[Stage],
    config: PlanConfig,
    generator: Generator,
) -> tuple[tuple[Decision, ...], float]:
    """Plan through the stages, with any robot; return every decision, and the CPU seconds of an action."""
    goals, decisions, began = {goal.name: goal for goal in shown}, [], time.process_time()
    for stage in stages:
        energy = world.energy(stage.weights)
        goal = wanted(world, robot, goals[stage.goal], goals[stage.after] if stage.after else None)
        setting = replace(config, distance=energy)
        decisions += control(world, robot, [SubGoal(goal, stage.steps)], setting, generator).decisions
    return tuple(decisions), (time.process_time() - began) / max(1, len(decisions))


def wanted(world: ArmWorld | TrueDynamics, robot: Robot, goal: Goal, after: Goal | None) -> Tensor:
    """Return the latent to aim at: the goal picture's, or what is seen now changed as from one picture to the other."""
    target = world.encode(goal_seen(goal))
    if after is None:
        return target
    moved = world.encode(robot.observe()[0]) + target - world.encode(goal_seen(after))
    moved[..., world.blocks["gripper"]] = target[..., world.blocks["gripper"]]  # measured, so never relative
    return moved


def track(robot: SimulatedRobot, stages: Sequence[Stage]) -> None:
    """Move the hand straight to the pose of each goal, and close the gripper where it was closed; nothing is looked at."""
    goals = {goal.name: goal for goal in robot.task.goals}
    for stage in stages:
        goal = goals[stage.goal].pose
        for _ in range(stage.steps):
            robot.act(torch.from_numpy(towards(robot.simulation, goal[:3], float(goal[6] > 0.2))))


def act_out(robot: SimulatedRobot, arm: Arm, stages: Sequence[Stage], generator: Generator) -> None:
    """Let the script or the random policy act, as many actions as the stages have."""
    for _, move in zip(range(total(stages)), script(robot.simulation, robot.task, arm, generator)):
        robot.act(torch.from_numpy(move.action))


def script(simulation: Simulation, task: Task, arm: Arm, generator: Generator) -> Iterator[Move]:
    """Return what the expert does in a task, which then keeps still; or the wandering of the random policy."""
    if arm == "random":
        yield from wander(simulation, generator)
    if task.kind in ("reach", "reach with object"):
        yield from go(simulation, task.goal.pose[:3], float(task.kind != "reach"), "reached", generator)
    else:
        yield from pick(simulation, generator)
    if task.kind == "pick and place":
        yield from put(simulation, task.goal.cube[:2], generator)
    yield from hold(simulation, float(task.kind not in ("reach", "pick and place")), "still", 1_000)


def total(stages: Sequence[Stage]) -> int:
    """Return how many actions stages have together."""
    return sum(stage.steps for stage in stages)
