"""The true client against the protocol server with our scene: streams, grasps, lifts, looks, refuses and recovers."""

import time

import numpy as np
import pytest
import torch

from minijepa.plan.control import Robot
from minijepa_robot.arm import interface
from minijepa_robot.arm.franka import FrankaArm, _flange
from minijepa_robot.arm.limits import Limits
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.arm.planned import PlannedArm
from minijepa_robot.arm.server import ProtocolServer
from minijepa_robot.arm.view import SceneView
from minijepa_robot.sim import gl
from tests.robot import needs
from tests.robot.actions import step
from tests.robot.arm.timed import at_most, eventually, slow_arm

pytestmark = [needs.libfranka, pytest.mark.slow]
CUBE = (0.5, 0.06, 0.0)


@pytest.fixture(scope="module")
def server():
    with ProtocolServer(objects={"cube": CUBE}) as running:
        yield running


@pytest.fixture
def arm(server):
    with at_most(30):
        connected = FrankaArm(server.host, "simulation")
    yield connected
    with at_most(5):
        connected.close()


def go(arm, place):
    """Stream steps of at most 5 cm to a place, and settle."""
    left = np.array(place) - arm.pose()[:3]
    count = int(np.ceil(np.abs(left).max() / 0.05))
    for _ in range(count):
        arm.act(np.concatenate((left / count, np.zeros(4))))
    arm.settle()


def test_connects_and_knows_where_it_is(server, arm):
    assert isinstance(arm, interface.Arm)
    np.testing.assert_allclose(arm.pose(), (0.475, 0, 0.22, 0, 0, 0, 0), atol=2e-3)
    assert abs(arm.hand().width - 0.08) < 1e-3 and not arm.hand().grasped
    assert server.state().client


def test_streams_at_4_hz_to_less_than_a_millimetre(arm):
    start, rng = arm.pose(), np.random.default_rng(0)
    actions = [np.concatenate((rng.uniform(-0.03, 0.03, 3), (0, 0), rng.uniform(-0.1, 0.1, 1), (0,))) for _ in range(6)]
    actions += [-action for action in actions[::-1]]
    began, seconds = time.monotonic(), arm._remote.ask("arm").seconds
    for action in actions:
        arm.act(action)
    rate = len(actions) / (arm._remote.ask("arm").seconds - seconds)
    wall = len(actions) / (time.monotonic() - began)
    arm.settle()
    print(
        f"{rate:.2f} Hz by the arm's clock, {wall:.2f} by ours, error {np.abs(arm.pose()[:3] - start[:3]).max() * 1000:.4f} mm"
    )
    assert 3.3 < rate <= 4.05
    np.testing.assert_allclose(arm.pose()[:3], start[:3], atol=1e-3)
    np.testing.assert_allclose(arm.pose()[3:6], start[3:6], atol=5e-3)


def test_deltas_are_in_the_base_frame(arm):
    start = arm.pose()
    arm.act(step(x=0.03, y=0.04, z=-0.02, yaw=0.3))
    arm.settle()
    np.testing.assert_allclose((arm.pose() - start)[:6], (0.03, 0.04, -0.02, 0, 0, 0.3), atol=1e-3)
    arm.act(step(x=-0.03, y=-0.04, z=0.02, yaw=-0.3))
    arm.settle()


def test_picks_up_the_cube_through_the_protocol(server, arm):
    view, began = SceneView(server), time.monotonic()
    go(arm, (*CUBE[:2], 0.15))
    go(arm, (*CUBE[:2], 0.022))
    assert arm.grasp(20.0)
    assert abs(arm.hand().width - 0.044) < 0.002 and arm.hand().grasped
    assert abs(arm.pose()[6] - 0.45) < 0.03
    go(arm, (*CUBE[:2], 0.15))
    print(f"pick {time.monotonic() - began:.1f} s, cube at {view.place()[2]:.3f} m")
    assert view.place()[2] > 0.12
    go(arm, (*CUBE[:2], 0.03))
    arm.open()
    go(arm, (0.475, 0.0, 0.22))
    assert view.place()[2] < 0.03 and not arm.hand().grasped
    view.close()


def test_an_action_closes_and_opens_the_hand(server, arm):
    go(arm, (*CUBE[:2], 0.022))
    arm.act(step(grip=0.5))
    assert arm.hand().width > 0.075  # 0.5 is not past 0.6
    arm.act(step(grip=0.3))
    assert arm.hand().grasped
    arm.act(step(grip=-0.2))
    assert arm.hand().grasped
    arm.act(step(grip=-0.5))
    assert arm.hand().width > 0.075 and not arm.hand().grasped
    go(arm, (0.475, 0.0, 0.22))


def test_empty_grasp_is_told(arm):
    assert not arm.grasp(10.0)
    assert arm.hand().width < 0.02 and not arm.hand().grasped
    arm.open()


def test_camera_frames_in_this_process(server, arm):
    try:
        gl.require_pictures()
    except gl.NoPictures as error:
        pytest.skip(str(error))
    view = SceneView(server, size=64)
    robot = PlannedArm(arm, {"side": lambda: view.picture("side")}, limits=arm.limits)
    assert isinstance(robot, Robot)
    before, pose = robot.observe()
    robot.act(torch.tensor((0.0, 0.09, 0.0, 0.0, 0.0, 0.0, 0.0)))
    arm.settle()
    after, moved = robot.observe()
    assert before.shape == (1, 3, 64, 64) and (before.int() - after.int()).abs().max() > 50
    assert 0.08 < float(moved[0, 1] - pose[0, 1]) < 0.1
    arm.act(step(y=-0.09))
    arm.settle()
    view.close()


@pytest.mark.parametrize(
    "action, error",
    [
        (step(z=0.09), interface.OutsideBox),
        (step(x=0.08, y=0.08), interface.StepTooLarge),
        (step(yaw=np.nan), interface.NotANumber),
        (step(y=0.09), interface.TooFast),
    ],
)
def test_refuses_stops_and_goes_on(server, arm, action, error):
    """A slow motion runs when the bad action comes; it is stopped, and the next good action works."""
    go(arm, (0.475, 0.0, arm.limits.high[2] - 0.08))
    stops = server.state().stops
    arm._remote.ask("move", _flange(arm.pose() - step(y=0.2)))  # as in a stream: something is under way
    arm._last = arm._remote.ask("arm").seconds - (0.0 if error is interface.TooFast else 0.25)
    with at_most(3), pytest.raises(error):
        arm.act(action)
    assert arm.log[-1].what == f"stop ({error.__name__})" and arm.log[-1].outcome == "arm: confirmed"
    assert server.wait_until_still(20) and server.state().stops > stops
    arm.act(step(x=0.01))


def test_hand_that_does_not_arrive_is_blocked_and_the_connection_given_up(arm):
    arm.act(step(x=0.01))
    arm._commanded = arm._commanded + step(y=0.07)  # as if something had held the hand back by 7 cm
    with pytest.raises(interface.Blocked, match="come to rest within 0.06 m"):
        arm.settle()
    assert arm.log[-1].what == "stop (Blocked)"
    with pytest.raises(interface.Halted):
        arm.pose()


def test_too_much_force_is_refused(arm):
    with pytest.raises(interface.TooForceful):
        arm.grasp(41.0)
    assert arm.log[-1].what == "stop (TooForceful)" and arm.hand().width > 0.07


@pytest.mark.parametrize("way", ["button", "file"])
def test_operator_stops_a_motion(server, tmp_path, way):
    stop = OperatorStop(tmp_path / "STOP")
    with slow_arm(server, stop) as arm:
        stops, start = server.state().stops, arm.pose()
        arm.act(step(y=0.08))
        stop.press() if way == "button" else (tmp_path / "STOP").touch()
        with at_most(3), pytest.raises(interface.StoppedByOperator):
            arm.settle()
        assert server.wait_until_still(20) and server.state().stops > stops
        with pytest.raises(interface.Halted):
            arm.act(step(y=0.01))
        with pytest.raises(interface.StoppedByOperator):
            arm.connect()
        stop.release()
        (tmp_path / "STOP").unlink(missing_ok=True)
        arm.connect()
        assert abs(arm.pose()[1] - start[1]) < 0.07, "the motion was not cut short"


def test_operator_stop_before_a_command_sends_nothing(server):
    stop = OperatorStop()
    with slow_arm(server, stop) as arm:
        stop.press()
        for call in (lambda: arm.act(step(y=0.01)), lambda: arm.grasp(10), arm.open):
            with pytest.raises(interface.StoppedByOperator):
                call()
            stop.release()
            arm.connect()
            stop.press()
        assert server.state().width > 0.075


def test_watchdog_stops_a_motion_that_nobody_watches(server):
    with slow_arm(server, watchdog=0.3) as arm:
        stops, start = server.state().stops, arm.pose()
        arm.act(step(y=-0.08))
        began = time.monotonic()
        assert eventually(lambda: server.state().stops > stops, 3)
        print(f"watchdog after {time.monotonic() - began:.2f} s")
        assert 0.25 < time.monotonic() - began < 1.5
        with pytest.raises(interface.StoppedByWatchdog, match="heartbeat"):
            arm.act(step(y=0.01))
        arm.connect()
        assert abs(arm.pose()[1] - start[1]) < 0.07


def test_heartbeats_keep_a_motion_alive(server):
    with slow_arm(server, watchdog=0.4) as arm:
        stops = server.state().stops
        arm.act(step(y=0.02))
        for _ in range(8):
            time.sleep(0.15)
            arm.heartbeat()
        assert server.state().stops == stops


def test_dead_client_stops_the_arm(server):
    """The process that holds the connection is killed in motion: its sockets close, and the server holds the arm."""
    with slow_arm(server) as arm:
        start = arm.pose()
        arm.act(step(y=0.08))
        arm._remote._process.kill()
        with at_most(2), pytest.raises(interface.LostConnection, match="ended with -9"):
            arm.act(step(y=0.01))
        assert eventually(lambda: not server.state().client) and server.wait_until_still()
        arm.connect()
        assert abs(arm.pose()[1] - start[1]) < 0.07


def test_missing_realtime_kernel_is_named_and_does_no_harm(server):
    with at_most(20), pytest.raises(interface.RealtimeMissing, match="PREEMPT_RT"):
        FrankaArm(server.host, "hardware")
    with at_most(20), FrankaArm(server.host, "simulation") as arm:  # libfranka's first try after that may time out
        assert np.isfinite(arm.pose()).all()


def test_second_client_is_told_and_the_first_goes_on(server, arm):
    with at_most(20), pytest.raises(interface.Busy, match="other client"):
        FrankaArm(server.host, "simulation")
    arm.act(step(x=0.01))


@pytest.mark.parametrize("speed", [0.05, 0.2])
def test_no_motion_is_faster_than_the_limit(server, speed):
    """By the controller's clock; the way is longer than an action may be, so that there is time to get fast."""
    with FrankaArm(server.host, "simulation", Limits(speed=speed)) as arm:
        start, seen = arm.pose(), []
        arm._remote.ask("move", _flange(start - step(y=0.1)))
        while not seen or seen[-1].moving:
            seen.append(arm._remote.ask("arm"))
            time.sleep(0.02)
        places, times = np.array([state.flange for state in seen])[:, :3, 3], np.array([state.seconds for state in seen])
        later = np.searchsorted(times, times + 0.05)  # the first look that is 50 ms later by the controller's clock
        first = np.flatnonzero(later < len(times))
        ways = np.linalg.norm(places[later[first]] - places[first], axis=1)
        fastest = (ways / (times[later[first]] - times[first])).max()
        print(f"fastest {fastest:.3f} m/s of {speed}")
        assert 0.8 * speed < fastest < 1.1 * speed
        arm._remote.ask("move", _flange(start))
        arm.settle()
