"""The robot keeps the house rules of the library, and its rooms have floors of their own."""

from pathlib import Path

import pytest

from tests import house

ROBOT = Path(__file__).parents[2] / "robot" / "minijepa_robot"
SOURCES = house.library(ROBOT)
FLOORS = {"sim": 0, "data": 1, "learn": 2, "act": 3, "arm": 3}  # a room imports itself and lower floors only
OTHER = (house.imports_go_down, house.no_unwanted_package)  # about minijepa's own rooms


def climbs(source):
    """Breaches of the floors; sources outside a room import what they like."""
    here = FLOORS.get(source.room, 99)
    parts = [(line, module.split(".")) for line, module in house.imported_modules(source)]
    rooms = [(line, part[1]) for line, part in parts if part[0] == "minijepa_robot" and len(part) > 1]
    return [f"{source.path}:{line} {room}" for line, room in rooms if room != source.room and FLOORS.get(room, 99) >= here]


@pytest.mark.parametrize("rule", [rule for rule in house.RULES if rule not in OTHER], ids=lambda rule: rule.__name__)
def test_the_robot_keeps_the_rule(rule):
    breaches = [breach for source in SOURCES for breach in rule(source)]
    assert not breaches, "\n" + "\n".join(breaches)


def test_its_imports_go_down():
    assert {source.room for source in SOURCES if "/" in source.path} == set(FLOORS)
    assert not [breach for source in SOURCES for breach in climbs(source)]
    bad = house.parse("sim/a.py", "from minijepa_robot.act.play import play")
    assert climbs(bad) and not climbs(house.parse("act/a.py", "from minijepa_robot.sim.scene import Scene"))
