"""Give ``minijepa.plan.control`` an arm with cameras: it looks, and it acts."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from minijepa_robot.arm.interface import Arm
from minijepa_robot.arm.limits import Limits

Views = dict[str, UInt8[Tensor, "1 3 H W"]]


def only_view(views: Views, pose: Float[Tensor, "1 7"]) -> UInt8[Tensor, "1 3 H W"]:
    """Return the picture of the one camera that there is; ValueError if there are several."""
    if len(views) != 1:
        raise ValueError(f"only_view: expected one camera, got {list(views)}; say with gather what the model takes")
    return next(iter(views.values()))


class PlannedArm:
    """Hold an arm, its cameras by name, and how their pictures become what the world model encodes.

    cameras: return a picture (H, W, 3), e.g. ``lambda: view.picture("side")``. gather: from views (1, 3, H, W) by name and the
    pose to what ``world_model.encode`` takes. limits: if given, actions are shortened to them, where the arm would refuse.
    """

    def __init__(
        self,
        arm: Arm,
        cameras: Mapping[str, Callable[[], UInt8[np.ndarray, "H W 3"]]],
        gather: Callable[[Views, Tensor], object] = only_view,
        limits: Limits | None = None,
    ) -> None:
        self._arm, self._cameras, self._gather, self._limits = arm, dict(cameras), gather, limits

    def observe(self) -> tuple[object, Float[Tensor, "1 7"]]:
        """Return what the world model encodes, and the measured pose as float32."""
        pose = torch.from_numpy(self._arm.pose()).float()[None]
        pictures = {name: torch.from_numpy(np.ascontiguousarray(look())) for name, look in self._cameras.items()}
        views = {name: picture.permute(2, 0, 1)[None] for name, picture in pictures.items()}
        return self._gather(views, pose), pose

    def act(self, action: Float[Tensor, "7"]) -> None:
        """Do one action; raises the arm's ``ArmError``."""
        change = action.detach().cpu().double().numpy()
        self._arm.act(change if self._limits is None else self._limits.shorten(self._arm.pose(), change))
