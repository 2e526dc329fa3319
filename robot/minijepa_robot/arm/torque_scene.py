"""Give our scene to franky-sim's protocol server: the same model, driven by torques at 1 kHz as a real arm is."""

from collections.abc import Mapping
from multiprocessing.connection import Connection

import numpy as np
from franky_sim import BaseRobot, BaseSimulator, SimulationServer
from franky_sim.base_simulator import InnerRobotState

from minijepa_robot.arm.board import Board
from minijepa_robot.sim import gl
from minijepa_robot.sim.fr3 import JOINTS
from minijepa_robot.sim.scene import Scene
from minijepa_robot.sim.simulation import Simulation

STEP = 0.001  # s, of the protocol
STIFF, DAMP = 1000.0, 50.0  # N/m and N s/m of a finger, as in franky-sim's own scene
FASTEST = 0.05  # m/s of a finger, franky_sim.FRANKA_HAND_VELOCITY_LIMIT
Layout = tuple[object | None, Mapping[str, tuple[float, float, float]]]


class TorqueRobot(BaseRobot):
    """Drive the arm of a simulation by torques; what ``franky_sim.BaseRobot`` asks of a simulated arm.

    The server adds the torque that carries the arm's weight, so the model must not carry it too.
    """

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._data, model = simulation.data, simulation.model
        self._joints = np.array([model.joint(name).qposadr[0] for name in JOINTS])
        self._turns = np.array([model.joint(name).dofadr[0] for name in JOINTS])
        fingers = [model.joint(f"finger_joint{i}") for i in (1, 2)]
        self._fingers = np.array([joint.qposadr[0] for joint in fingers])
        self._slides = np.array([joint.dofadr[0] for joint in fingers])
        self._torques = np.zeros(7)
        self._goal = float(self._data.qpos[self._fingers].sum()), FASTEST, 70.0

    def set_hand_goal(self, width: float, max_velocity: float, max_force: float) -> None:
        """Set where the fingers go: m between them, m/s and N of each at most."""
        self._goal = float(width), min(float(max_velocity), FASTEST), float(max_force)

    def _get_hand_width(self) -> float:
        return float(self._data.qpos[self._fingers].sum())

    def _get_state(self) -> InnerRobotState:
        joints, turns = self._data.qpos[self._joints], self._data.qvel[self._turns]
        return InnerRobotState(tuple(joints.tolist()), tuple(turns.tolist()), tuple(self._torques.tolist()))

    def _torque_control(self, torques: np.ndarray) -> None:
        self._torques = np.asarray(torques, dtype=np.float64).copy()
        self._data.qfrc_applied[self._turns] = self._torques

    def _pre_step(self) -> None:
        """Press the fingers towards their goal: a spring, slowed where they go too fast, and bounded in force."""
        width, fastest, force = self._goal
        place, speed = self._data.qpos[self._fingers], self._data.qvel[self._slides]
        press = STIFF * (width / 2 - place) - DAMP * speed
        hurry = (np.abs(speed) > fastest) & (np.sign(speed) == np.sign(press))
        press[hurry] = -DAMP * speed[hurry]
        self._data.qfrc_applied[self._slides] = np.clip(press, -force, force)


class TorqueScene(BaseSimulator):
    """Hold our scene as a simulator of franky-sim, and publish its state after every step.

    scene and layout: as ``Simulation`` and its ``reset`` take them. board: where the state is published.
    """

    def __init__(self, scene: Scene, layout: Layout, board: Board) -> None:
        super().__init__()
        self._simulation, self._board = Simulation(scene), board
        self._simulation.reset(*layout)
        self._step_physics = gl.load().mj_step
        _release_servos(self._simulation)
        self._robot = TorqueRobot(self._simulation)
        self.stops = 0

    def _get_robots(self) -> list[BaseRobot]:
        return [self._robot]

    def _step(self) -> None:
        self._step_physics(self._simulation.model, self._simulation.data)

    def publish(self) -> None:
        """Write time, client, motion, stops, width and all joints on the board."""
        data, server = self._simulation.data, self._robot.server
        moving = server.current_motion_id > 0
        head = data.time, server.udp_connected, moving, self.stops, self._robot.hand_width, 0.0
        self._board.write(np.concatenate((head, data.qpos)))


def _release_servos(simulation: Simulation) -> None:
    """Switch the model to torques: no servo pulls, no weight is carried for free, a step lasts 1 ms."""
    model, data = simulation.model, simulation.data
    model.opt.timestep = STEP
    model.actuator_gainprm[:] = 0.0
    model.actuator_biasprm[:] = 0.0
    model.body_gravcomp[:] = 0.0
    data.qvel[:] = 0.0
    data.time = 0.0


def serve(scene: Scene, layout: Layout, board: Board, line: Connection) -> None:
    """Serve one arm until the other end of ``line`` closes; sends the host's name on it when clients may come."""
    with TorqueScene(scene, layout, board) as simulator, SimulationServer(simulator) as server:
        robot_server = server.robot_servers[0]
        stop_motion = robot_server.stop_motion

        def counted(send_preemption_signal: bool = True) -> None:
            simulator.stops += send_preemption_signal  # without it, a motion has come to its own end
            stop_motion(send_preemption_signal)

        robot_server.stop_motion = counted
        ticks = 0
        while ticks % 50 or not line.poll():  # the end of the line is readable too
            server.run_once()
            simulator.publish()
            ticks += 1
            if ticks == 1:
                line.send(robot_server.hostname)
