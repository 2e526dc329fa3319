"""The command tells what would be sent, reads and moves a simulated arm, and ends with 1 and one line where it cannot."""

import pytest

from minijepa_robot.arm.__main__ import main
from minijepa_robot.arm.server import ProtocolServer
from tests.robot import needs


def test_dry_check_says_every_command(tmp_path):
    said = []
    assert main(["check", "--dry", "--stop-file", str(tmp_path / "STOP")], said.append) == 0
    moves = [line for line in said if line.startswith("move to")]
    assert len(moves) == 4 and "0.2300) m" in moves[0] and moves[3].startswith("move to (0.4750, 0.0000, 0.2200)")
    assert "workspace" not in said[0] and "force=40.0" in said[0]


def test_a_stop_file_stops_it(tmp_path):
    (tmp_path / "STOP").touch()
    said = []
    assert main(["check", "--dry", "--stop-file", str(tmp_path / "STOP")], said.append) == 1
    assert said[-2] == "stop (StoppedByOperator)" and said[-1].startswith("error: StoppedByOperator: expected to go on")


@needs.libfranka
def test_no_server_is_one_line(tmp_path):
    said = []
    assert main(["check", "--host", "127.0.0.77", "--stop-file", str(tmp_path / "STOP")], said.append) == 1
    assert said[-1].startswith("error: NoServer:")


@needs.libfranka
@pytest.mark.slow
def test_moves_a_simulated_arm(tmp_path):
    said = []
    with ProtocolServer() as server:
        assert main(["check", "--host", server.host, "--move", "--stop-file", str(tmp_path / "STOP")], said.append) == 0
    walked = [line for line in said if "where it should be" in line]
    assert len(walked) == 4 and all(float(line.split()[1]) < 1.0 for line in walked), said
    assert said[-1] == "stop: arm: confirmed" and "80.0 mm open, holds nothing" in said[3]
