"""Draw what a camera sees of the scene behind the protocol server, in the client's own process."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, UInt8

from minijepa_robot.arm.server import ProtocolServer
from minijepa_robot.sim import gl
from minijepa_robot.sim.scene import Camera
from minijepa_robot.sim.simulation import Simulation


class SceneView:
    """Keep a copy of the server's scene that follows its joints; the copy has no physics of its own.

    cameras and size: as ``Simulation`` takes them.
    """

    def __init__(self, server: ProtocolServer, cameras: Mapping[str, Camera] | None = None, size: int = 128) -> None:
        self._server, self._copy = server, Simulation(server.scene, cameras, size)

    def picture(self, camera: str = "side") -> UInt8[np.ndarray, "H W 3"]:
        """Return what a camera sees now; raises as ``Simulation.picture``, TimeoutError if the server died while writing."""
        self._follow()
        return self._copy.picture(camera)

    def place(self, name: str = "cube") -> Float64[np.ndarray, "3"]:
        """Return where a thing's middle is, in m: what only a simulation tells."""
        self._follow()
        return self._copy.place(name)

    def close(self) -> None:
        """Give back what draws the pictures."""
        self._copy.close()

    def _follow(self) -> None:
        self._copy.data.qpos[:] = self._server.state().qpos
        gl.load().mj_forward(self._copy.model, self._copy.data)
