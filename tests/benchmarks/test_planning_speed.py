"""Planning against a plain version of the released planner, see plain_planner.py: time, working memory, poses."""

import subprocess
import sys

import pytest
import torch

from minijepa.config import ActionPredictorConfig, EncoderConfig
from minijepa.model.action_predictor import ActionPredictor
from minijepa.model.encoder import VideoEncoder
from minijepa.plan.cem import CEM, Plan, PlanConfig, plan
from minijepa.plan.pose import advance
from minijepa.plan.space import Group, franka
from minijepa.plan.world import LatentWorld
from tests.benchmarks.plain_planner import PlainPlanner, plain_pose
from tests.benchmarks.side_by_side import Comparison, cpu_seconds, side_by_side
from tests.equivalence.golden import case, fill, output

GRID, WIDTH, LIMIT, MOMENTA = (16, 16), 384, 0.075, (0.15, 0.75)


def predictor(depth: int = 6) -> ActionPredictor:
    network = ActionPredictor(ActionPredictorConfig(WIDTH, 384, depth, 8)).eval().requires_grad_(False)
    fill(network, "ac")
    return network


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    context, goal = torch.randn(2, 1, 256, WIDTH, generator=generator).unbind(0)
    pose = torch.tensor([[0.4, 0.0, 0.3, 3.1, 0.05, -0.4, 0.2]])
    return context, pose, goal


def ours(network: ActionPredictor, grid: tuple[int, int], inputs: tuple, horizon: int, sizes: tuple, momenta=MOMENTA) -> Plan:
    config = PlanConfig(franka(Group((0, 1, 2), LIMIT, LIMIT, *momenta)), CEM(*sizes), horizon)
    world = LatentWorld(VideoEncoder(EncoderConfig.tiny()), network, grid)
    return plan(world, *inputs, config, torch.Generator().manual_seed(7))


def theirs(plain: PlainPlanner, inputs: tuple, sizes: tuple, momenta=MOMENTA) -> torch.Tensor:
    return plain.plan(*inputs, sizes, LIMIT, momenta, torch.Generator().manual_seed(7))


def test_the_plain_planner_gives_the_released_plan():
    """It reads the released code rightly: the stored plan comes out of it, too."""
    sizes = case("ac")
    network = ActionPredictor(ActionPredictorConfig(sizes["dim"], sizes["pdim"], sizes["depth"], sizes["heads"])).eval()
    fill(network, "ac")
    context, goal, pose = (output(f"cem/{name}")[0] for name in ("z0", "goal", "pose"))
    generator = torch.Generator().manual_seed(0)
    found = PlainPlanner(network, (4, 4), 2).plan(context, pose, goal, (64, 4, 8), 0.05, (0.15, 0.15), generator)
    torch.testing.assert_close(found, output("cem/plan"), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("horizon, goal, rounds", [(1, 1.5, 3), (2, 2.5, 2), (4, 3.5, 1)])
def test_one_iteration_of_planning(hold, horizon, goal, rounds):
    """One iteration, so that both sides have the same candidates whatever the last bit of an energy does to a near tie.

    A round takes minutes, so the uncounted warm-up has two samples and the rounds are few.
    """
    network, inputs = predictor(), scene()
    plain, found, seconds = PlainPlanner(network, GRID, horizon), [], ([], [])

    def our_side(samples: int = 100) -> None:
        found.append(ours(network, GRID, inputs, horizon, (samples, 1, 2)).trace[0].energies)

    def their_side(samples: int = 100) -> None:
        theirs(plain, inputs, (samples, 1, 2))

    our_side(2), their_side(2)
    for _ in range(rounds):
        for side, spent in zip((our_side, their_side), seconds):
            spent.append(cpu_seconds(side, 1))
    gap = (found[-1] - plain.energies).abs().max().item()
    assert gap <= 3e-7 and plain.energies.std() > 1e-5, (gap, plain.energies.std())
    name = f"planning, AC 384x6, 256 tokens, 100 samples, horizon {horizon}"
    hold(Comparison(name, *seconds), goal)


def test_poses_of_400_samples(hold):
    pose = torch.randn(400, 7, generator=torch.Generator().manual_seed(0))
    action = 0.1 * torch.randn(400, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(advance(pose, action), plain_pose(pose, action), atol=5e-7, rtol=0.0)
    found = side_by_side("poses of 400 samples", lambda: advance(pose, action), lambda: plain_pose(pose, action), rounds=7)
    hold(found, 50.0)


MEMORY = """
import sys
from pathlib import Path
import torch
from tests.benchmarks.plain_planner import PlainPlanner
from tests.benchmarks.test_planning_speed import GRID, ours, predictor, scene, theirs

def kilobytes(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))

torch.set_num_threads(1)
side, samples = sys.argv[1], int(sys.argv[2])
# theirs needs no more memory for more blocks, as it keeps nothing of them; ours keeps keys and values of each
network, inputs = predictor(6 if side == "ours" else 1), scene()
plain = PlainPlanner(network, GRID, 1)
run = (lambda n: ours(network, GRID, inputs, 1, (n, 1, 2))) if side == "ours" else (lambda n: theirs(plain, inputs, (n, 1, 2)))
run(2)
Path("/proc/self/clear_refs").write_text("5")  # forget the highest mark so far
before = kilobytes("VmRSS")
run(samples)
print((kilobytes("VmHWM") - before) / 1024)
"""


def working_megabytes(side: str, samples: int) -> float:
    command = [sys.executable, "-c", MEMORY, side, str(samples)]
    return float(subprocess.check_output(command).split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_working_memory_at_800_samples(report):
    small, large, plain = working_megabytes("ours", 100), working_megabytes("ours", 800), working_megabytes("theirs", 800)
    report(
        f"working memory of planning, AC 384x6, 256 tokens, horizon 1, 800 samples: ours {large:.0f} MB "
        f"(100 samples: {small:.0f}), theirs {plain:.0f} MB, ratio {plain / large:.0f}x goal 20x"
    )
    assert plain / large >= 20
    assert large <= 1.5 * small + 20, "memory must not grow with the number of samples"
