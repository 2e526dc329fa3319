"""The way to draw is chosen in the right order, a user's choice stands, and its absence is named."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

from minijepa_robot.sim import gl
from tests.robot import needs
from tests.robot.sim.another_process import run


@pytest.mark.parametrize(
    "works, chosen", [({"egl", "osmesa"}, "egl"), ({"egl"}, "egl"), ({"osmesa"}, "osmesa"), (set(), "disable")]
)
def test_egl_then_osmesa_then_none(monkeypatch, works, chosen):
    tried = []
    monkeypatch.setattr(gl, "draws", lambda backend: tried.append(backend) or backend in works)
    assert gl.choose() == chosen
    assert tried[0] == "egl" and (tried == ["egl"]) == ("egl" in works)


def test_first_import_sets_what_was_chosen(monkeypatch):
    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    monkeypatch.setenv("MUJOCO_GL", "")  # so that what load sets is undone
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(gl, "draws", lambda backend: backend == "osmesa")
    monkeypatch.setattr(gl.importlib, "import_module", lambda name: ModuleType(name, os.environ.get("MUJOCO_GL")))
    module = gl.load()
    assert (module.__name__, module.__doc__) == ("mujoco", "osmesa" if sys.platform.startswith("linux") else None)


def test_users_choice_stands_without_a_probe(monkeypatch):
    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    monkeypatch.setattr(gl, "draws", lambda backend: pytest.fail("probed although the user had chosen"))
    monkeypatch.setattr(gl.importlib, "import_module", ModuleType)
    gl.load()
    assert os.environ["MUJOCO_GL"] == "glfw"


def test_users_choice_that_is_not_there_is_named(monkeypatch):
    def fails(name):
        raise AttributeError("'NoneType' object has no attribute 'eglQueryString'")

    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(gl.importlib, "import_module", fails)
    with pytest.raises(gl.NoPictures, match="(?s)MUJOCO_GL=egl.*apt-get install libegl1"):
        gl.load()


def test_mujoco_missing_names_the_extra(monkeypatch):
    def fails(name):
        raise ModuleNotFoundError(name)

    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(gl.importlib, "import_module", fails)
    with pytest.raises(ImportError, match=r"minijepa\[robot\]"):
        gl.load()


def test_probe_that_crashes_or_hangs_counts_as_no(monkeypatch):
    def hangs(*arguments, **options):
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(gl.subprocess, "run", hangs)
    assert not gl.draws("egl")
    monkeypatch.setattr(gl.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1))
    assert not gl.draws("egl")


@needs.simulation
def test_without_gl_physics_works_and_pictures_say_what_to_install():
    program = (
        "from minijepa_robot.sim import gl\n"
        "gl.draws = lambda backend: False\n"
        "from minijepa_robot.sim.simulation import Simulation\n"
        "s = Simulation()\n"
        "s.act([0.05, 0, 0, 0, 0, 0, 0])\n"
        "assert abs(s.pose[0] - 0.525) < 0.01, s.pose\n"
        "try:\n    s.picture()\n"
        "except gl.NoPictures as error:\n    print(error)\n"
    )
    done = run(program, without=("MUJOCO_GL", "PYOPENGL_PLATFORM"))
    assert "apt-get install libegl1" in done.stdout, done.stderr


@needs.simulation
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere mujoco's own choice draws")
def test_mujoco_imported_too_early_is_named():
    program = (
        "import mujoco\n"
        "from minijepa_robot.sim import gl\n"
        "from minijepa_robot.sim.simulation import Simulation\n"
        "try:\n    Simulation().picture()\n"
        "except gl.NoPictures as error:\n    print(error)\n"
    )
    done = run(program, without=("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY"))
    assert "imported before minijepa_robot" in done.stdout, done.stderr
