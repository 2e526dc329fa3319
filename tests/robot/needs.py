"""Say why a test of the simulated arm is skipped."""

import importlib.util

import pytest

_MISSING = [name for name in ("mujoco", "franky_sim") if importlib.util.find_spec(name) is None]
simulation = pytest.mark.skipif(bool(_MISSING), reason=f"{_MISSING} not installed: pip install -e '.[robot]'")
_UNREAL = [name for name in ("mujoco", "franky_sim", "franky", "pinocchio") if importlib.util.find_spec(name) is None]
libfranka = pytest.mark.skipif(bool(_UNREAL), reason=f"{_UNREAL} not installed: pip install -e '.[robot]' on x86-64 Linux")
