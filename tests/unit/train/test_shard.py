"""A network in parts learns what a whole one learns, and leaves checkpoints that both can read."""

from pathlib import Path

import pytest
import torch

from minijepa.model.weights import load
from minijepa.train.pretrain import fresh_state
from minijepa.train.processes import Processes
from minijepa.train.shard import gathered, gathered_network, is_part, shard
from tests.unit.train.commands import finish, metrics, start
from tests.unit.train.tiny import tiny_config

STEPS = 6
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
COMMAND = ["-m", "minijepa.train.pretrain", "--optim.steps", str(STEPS), "--batch", "4", "--run.save-every", "2"]
COMMAND += ["--optim.recompute", "--run.log-every", "1", "--run.quiet", "--run.folder"]
COOLDOWN = [*COMMAND[:2], "--recipe", "cooldown-drift", *COMMAND[2:]]


def losses(folder: Path) -> torch.Tensor:
    return torch.tensor([float(row["loss"]) for row in metrics(folder)], dtype=torch.float64)


def trained(folder: Path, *more: str, launcher: tuple[str, ...] = (), command: list[str] = COMMAND) -> Path:
    finish(start(*command, str(folder), *more, launcher=launcher))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    folder = trained(tmp_path_factory.mktemp("sharded"), "--run.shard", launcher=TWO)
    assert (folder / "encoder.safetensors").exists() and len(losses(folder)) == STEPS
    return folder


@pytest.mark.slow
def test_parts_learn_what_the_whole_learns(whole, sharded):
    assert losses(whole).std() > 1e-3
    assert (losses(whole) - losses(sharded)).abs().max() < 1e-5
    for name in ("encoder", "predictor"):
        one, two = (load(folder / f"{name}.safetensors").state_dict() for folder in (whole, sharded))
        assert one.keys() == two.keys()
        assert max((one[key] - two[key]).abs().max() for key in one) < 1e-4


@pytest.mark.slow
def test_the_checkpoint_of_parts_is_whole(whole, sharded):
    one, two = (torch.load(folder / "last.pt", weights_only=True) for folder in (whole, sharded))
    assert one["settings"] == two["settings"] and one["step"] == two["step"] == STEPS
    for number, entry in one["optimiser"]["state"].items():
        other = two["optimiser"]["state"][number]
        assert entry["step"] == other["step"] == STEPS
        assert (entry["exp_avg"] - other["exp_avg"]).abs().max() < 1e-5


KILL_AT_3 = """
import os, signal
import minijepa.train.pretrain as pretrain
from minijepa.train.command import main
step = pretrain.train_step
def train_step(learner, state, *rest):
    if state.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(learner, state, *rest)
pretrain.train_step = train_step
"""


@pytest.mark.slow
def test_cooldown_in_parts_is_killed_and_ends_like_a_plain_one(whole, tmp_path):
    more = ("--from", str(whole), "--optim.steps", "4")
    plain = trained(tmp_path / "plain", *more, command=COOLDOWN)
    parts, script = tmp_path / "parts", tmp_path / "killed.py"
    script.write_text(KILL_AT_3 + f"main({[*COOLDOWN[2:], str(parts), *more, '--run.shard']!r})")
    process = start(str(script), launcher=TWO)
    process.communicate(timeout=240)
    assert process.returncode != 0 and torch.load(parts / "last.pt", weights_only=True)["step"] == 2
    trained(parts, *more, "--run.shard", launcher=TWO, command=COOLDOWN)
    assert len(losses(parts)) == 4 and (losses(parts) - losses(plain)).abs().max() < 1e-5


def test_one_process_has_nobody_to_share_with():
    with pytest.raises(ValueError, match="torchrun"):
        shard(torch.nn.Linear(2, 2), None, tiny_config().optim, Processes())


def test_what_is_whole_stays_as_it_is():
    network, state = torch.nn.Linear(2, 2), {"a": torch.ones(2), "b": [1, {"c": "text"}]}
    assert not is_part(network.weight) and gathered(state, keep=True)["a"] is state["a"]
    assert gathered(state, keep=False)["b"] == state["b"]
    teacher = fresh_state(tiny_config()).teacher
    assert gathered_network(teacher, keep=False) is teacher
