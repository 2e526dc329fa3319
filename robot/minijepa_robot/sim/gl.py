"""Choose how pictures are drawn, once, before mujoco is imported: EGL, then OSMesa, else physics without pictures.

mujoco reads the environment variable ``MUJOCO_GL`` while it is imported, and an import that asks for a library that is not
there fails with an AttributeError that names neither. So every file of this package gets mujoco from ``load``, and nowhere
is it imported by name. A probe draws one small picture in a process of its own, because a failed import cannot be undone.
"""

import importlib
import os
import subprocess
import sys
from types import ModuleType

NONE = "disable"  # mujoco's own word for physics without pictures
HELP = (
    "no OpenGL library can draw here, so physics works and pictures do not. On Debian or Ubuntu run\n"
    "  apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libgl1\n"
    "(or libosmesa6 in place of libegl1 and libegl-mesa0), then start Python again"
)
TOO_LATE = (
    "mujoco was imported before minijepa_robot could choose a way to draw; set MUJOCO_GL=egl before Python starts, or call "
    "minijepa_robot.sim.gl.load() before anything else imports mujoco"
)
_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><light pos='0 0 3'/><geom size='1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(data)
seen = renderer.render().any()
renderer.close()
raise SystemExit(not seen)
"""


class NoPictures(RuntimeError):
    """Say that no OpenGL library can draw on this machine, and what to install."""


def load() -> ModuleType:
    """Return the module mujoco, imported with the first way to draw that works.

    A ``MUJOCO_GL`` that the user has set is left alone. Without one, on Linux, this sets it, so that worker processes need no
    probe of their own. Does nothing where mujoco has been imported before.

    Raises ImportError where mujoco is not installed, and ``NoPictures`` where the user's own choice cannot be loaded.
    """
    if "mujoco" in sys.modules:
        return sys.modules["mujoco"]
    own = "MUJOCO_GL" in os.environ
    if not own and sys.platform.startswith("linux"):
        os.environ["MUJOCO_GL"] = choose()
    try:
        return importlib.import_module("mujoco")
    except ModuleNotFoundError as error:
        raise ImportError("the simulated arm needs mujoco: pip install 'minijepa[robot]'") from error
    except AttributeError as error:  # what PyOpenGL leaves of a missing library
        asked = os.environ.get("MUJOCO_GL", "")
        raise NoPictures(
            f"MUJOCO_GL={asked} was asked for and its library is not there ({error}); unset it, or: {HELP}"
        ) from error


def choose() -> str:
    """Return the value of ``MUJOCO_GL`` to use: "egl", "osmesa" or, where neither draws, "disable"."""
    return next((backend for backend in ("egl", "osmesa") if draws(backend)), NONE)


def draws(backend: str) -> bool:
    """Tell whether a backend draws a picture, tried in a process of its own (about 0.5 s)."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], env={**os.environ, "MUJOCO_GL": backend}, capture_output=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def require_pictures() -> None:
    """Raise ``NoPictures`` with the command that helps, if this process was started without a way to draw."""
    if os.environ.get("MUJOCO_GL", "").lower() in (NONE, "disabled", "off", "false", "0"):
        raise NoPictures(HELP)
