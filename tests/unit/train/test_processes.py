"""Kills, restarts and company do not change what is learnt."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minijepa.model.weights import load
from minijepa.train.objective import pixel_loss
from minijepa.train.pretrain import pretrain
from minijepa.train.processes import Processes
from tests.unit.train.commands import SECONDS, finish, kill_on_the_way, metrics, start
from tests.unit.train.tiny import Stopped, stop_at, tiny_config

STEPS = 24
COMMAND = ["-m", "minijepa.train.pretrain", "--optim.steps", str(STEPS), "--batch", "4", "--run.save-every", "3"]
COMMAND += ["--run.log-every", "1", "--run.quiet", "--run.folder"]


def same_weights(one: Path, other: Path) -> bool:
    pairs = [
        (load(one / name).state_dict(), load(other / name).state_dict())
        for name in ("encoder.safetensors", "predictor.safetensors")
    ]
    return all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return the folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    finish(start(*COMMAND, str(folder)))
    assert len(metrics(folder)) == STEPS
    return folder


@pytest.mark.slow
def test_killed_run_ends_like_one_never_killed(whole, tmp_path):
    kill_on_the_way(start(*COMMAND, str(tmp_path)), tmp_path)
    killed_at = torch.load(tmp_path / "last.pt", weights_only=True)["step"]
    assert 0 < killed_at < STEPS and not (tmp_path / "encoder.safetensors").exists()
    finish(start(*COMMAND, str(tmp_path)))
    assert same_weights(whole, tmp_path)
    assert [row["loss"] for row in metrics(whole)] == [row["loss"] for row in metrics(tmp_path)]


KILL_WHILE_SAVING = """
import os, signal, sys
from minijepa.train.command import main
write, calls = os.replace, []
def replace(source, target):
    if str(target).endswith("last.pt"):
        calls.append(1)
        if len(calls) == 3:
            with open(source, "r+b") as file:
                file.truncate(1000)  # the write had not come to its end
            os.kill(os.getpid(), signal.SIGKILL)
    write(source, target)
os.replace = replace
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_kill_while_saving_does_no_harm(whole, tmp_path):
    process = start("-c", KILL_WHILE_SAVING, *COMMAND[2:], str(tmp_path))
    assert process.wait(SECONDS) == -signal.SIGKILL
    process.stderr.close()
    assert list(tmp_path.glob(".*.part")) and torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 6
    finish(start(*COMMAND, str(tmp_path)))
    assert same_weights(whole, tmp_path) and not list(tmp_path.glob(".*.part"))


@pytest.mark.slow
def test_two_processes_equal_one(whole, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    finish(start(*COMMAND, str(tmp_path), launcher=launcher))
    one, two = (
        torch.tensor([float(row["loss"]) for row in metrics(folder)], dtype=torch.float64) for folder in (whole, tmp_path)
    )
    assert len(two) == STEPS and one.std() > 0.01
    assert (one - two).abs().max() < 1e-5


def test_resume_in_the_same_process_is_bit_exact(tmp_path):
    config = tiny_config(steps=6, folder=tmp_path / "stopped", save_every=2)
    never = pretrain(tiny_config(steps=6))
    with pytest.raises(Stopped):
        pretrain(config, watch=stop_at(3), watch_every=1)
    seen: list[int] = []
    state = pretrain(config, watch=lambda state: seen.append(state.step), watch_every=1)
    assert seen == [2, 3, 4, 5, 6]
    for part in ("encoder", "predictor", "teacher"):
        pairs = zip(getattr(never, part).parameters(), getattr(state, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    again = pretrain(config)  # a run that is over is not trained further
    assert again.step == 6 and torch.equal(next(again.teacher.parameters()), next(state.teacher.parameters()))


def test_nothing_global_decides(tmp_path):
    one = pretrain(tiny_config(steps=2))
    torch.rand(7)
    two = pretrain(tiny_config(steps=2))
    assert torch.equal(next(one.teacher.parameters()), next(two.teacher.parameters()))
    other = pretrain(tiny_config(steps=2, seed=1))
    assert not torch.equal(next(one.teacher.parameters()), next(other.teacher.parameters()))


def test_training_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    pretrain(tiny_config(steps=2))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_clips(workers):
    alone, helped = pretrain(tiny_config(steps=3)), pretrain(tiny_config(steps=3, workers=workers))
    assert torch.equal(next(alone.teacher.parameters()), next(helped.teacher.parameters()))


def test_other_settings_in_the_same_folder_are_refused(tmp_path):
    config = tiny_config(steps=2, folder=tmp_path)
    pretrain(config)
    pretrain(replace(config, run=replace(config.run, log_every=1, workers=1)))  # these do not decide the weights
    for other in (replace(config, batch=4), replace(config, run=replace(config.run, seed=1))):
        with pytest.raises(ValueError, match="another folder"):
            pretrain(other)
    with pytest.raises(ValueError, match="latent_loss"):
        pretrain(config, pixel_loss)


def test_batch_that_cannot_be_shared():
    assert Processes(1, 2).share(8) == slice(4, 8)
    with pytest.raises(ValueError, match="multiple of the 3 processes, got 8"):
        Processes(0, 3).share(8)


def test_union_of_one():
    assert Processes().union(["a", "a", "b"]) == {"a", "b"}
