"""The planner of the chapters picks up the cube through libfranka's protocol, from goal pictures."""

from pathlib import Path

import pytest
from torch import Generator

from minijepa_robot.act.evaluate import open_world
from minijepa_robot.act.play import STAGES, follow, planner
from minijepa_robot.arm.franka import FrankaArm
from minijepa_robot.arm.planned import PlannedArm
from minijepa_robot.arm.server import ProtocolServer
from minijepa_robot.arm.view import SceneView
from minijepa_robot.learn.world import Seen
from minijepa_robot.sim.tasks import draw_tasks
from tests.robot import needs

pytestmark = [needs.simulation, needs.libfranka, pytest.mark.slow]
MODEL = Path(__file__).parents[3] / "data_samples/checkpoints/arm/joint.safetensors"


def test_lifts_the_cube_from_goal_pictures():
    task, lifted = draw_tasks("lift", 1, "validation", size=64)[0], []
    with ProtocolServer(task.scene, objects=task.layout.objects) as server:
        view = SceneView(server, size=64)
        with FrankaArm(server.host, "simulation") as arm:
            cameras = {name: lambda name=name: view.picture(name) for name in ("side", "wrist")}
            robot = PlannedArm(arm, cameras, Seen, arm.limits)
            follow(open_world(MODEL), robot, task.goals, STAGES["lift"], planner(), Generator().manual_seed(0))
            lifted.append(view.place()[2])
            assert arm.hand().grasped
        view.close()
    assert lifted[0] > 0.06, lifted
