"""Let the simulator itself say what an action leads to: what then still fails is not the predictor's fault."""

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from minijepa.model.action_predictor import Past
from minijepa_robot.act.seeing import look, together
from minijepa_robot.learn.world import ArmWorld, Blocks, Latents, Seen
from minijepa_robot.sim.simulation import Simulation


class TrueDynamics:
    """Encode and compare as a learnt world does, and imagine by doing: one action ahead, from where the simulation stands."""

    def __init__(self, world: ArmWorld, simulation: Simulation) -> None:
        self.world, self.simulation = world, simulation

    @property
    def blocks(self) -> Blocks:
        """Tell which channels of a latent belong to what."""
        return self.world.blocks

    def encode(self, frames: Seen) -> Latents:
        """Return the learnt latents of moments."""
        return self.world.encode(frames)

    def energy(self, weights: Mapping[str, float | int]) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the learnt energy."""
        return self.world.energy(weights)

    def step(
        self,
        latent: Float[Tensor, "#s 1 k"],
        action: Float[Tensor, "s 7"],
        pose: Float[Tensor, "s 7"],
        memory: list[Past] | None,
    ) -> tuple[Float[Tensor, "s 1 k"], list[Past]]:
        """Do each action from here, encode what is seen, and bring the simulation back.

        Raises ValueError for a second action in a row: a latent does not say where the simulation would stand.
        """
        if memory is not None:
            raise ValueError("TrueDynamics.step: expected one action ahead, got a second one; plan with horizon 1")
        here, seen = self.simulation.state(), []
        for one in action:
            self.simulation.restore(here)
            self.simulation.act(one.double().numpy())
            seen.append(look(self.simulation))
        self.simulation.restore(here)
        return self.encode(together(seen)), []
