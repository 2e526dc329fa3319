"""One network over many GPUs: every process keeps a part of each weight, of its gradient and of its moments.

What is computed does not change. Weights, gradients, Adam and the teacher cost 20 bytes a parameter on every process
of a plain run, and 20 / N here; a block is put together for as long as it computes. Checkpoints hold whole weights,
so a run may go on with another number of processes, sharded or not.

Through ``torch.distributed.fsdp.fully_shard`` (FSDP2). Differs: the official trainer holds everything on every GPU.
"""

from typing import TypeVar

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from minijepa.model.encoder import VideoEncoder
from minijepa.model.predictor import MaskedPredictor
from minijepa.train.processes import Processes
from minijepa.train.schedule import Optimisation, adamw

Tree = TypeVar("Tree")  # a state dict, however nested


def shard(learner: nn.Module, state, optim: Optimisation, processes: Processes) -> None:
    """Cut the networks of a whole state and its optimiser over the processes, block by block.

    learner: holds ``state.encoder`` and ``state.predictor``; to be called in every step, for its hooks fetch the
    weights that stand outside blocks.
    Raises ValueError in a run of one process, where there is nobody to share with.
    """
    if processes.world < 2:
        raise ValueError("shard: expected several processes, got one; start it under torchrun, or leave --run.shard out")
    from torch.distributed.fsdp import fully_shard  # half a second to import

    for block in [*state.encoder.blocks, *state.predictor.predictor_blocks, *state.teacher.blocks]:
        fully_shard(block)
    fully_shard(learner)
    fully_shard(state.teacher, reshard_after_forward=True)  # no backward pass comes that would free it
    moments = state.optimiser.state_dict()["state"]
    state.optimiser = adamw([state.encoder, state.predictor], optim)  # of the parts: they are new parameters
    parameters = [parameter for group in state.optimiser.param_groups for parameter in group["params"]]
    parts = {
        number: {name: part_like(value, parameters[number]) for name, value in entry.items()}
        for number, entry in moments.items()
    }
    state.optimiser.load_state_dict({"state": parts, "param_groups": state.optimiser.state_dict()["param_groups"]})


def part_like(value: Tensor, parameter: Tensor) -> Tensor:
    """Cut a tensor that every process holds whole as its parameter is cut; a step count stays whole."""
    from torch.distributed.tensor import distribute_tensor

    if value.ndim == 0:
        return value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)


def gathered(tree: Tree, keep: bool) -> Tree:
    """Return a state dict with its parts put together; what was whole stays as it is.

    keep: False gives None for each part: all processes must help, but only one needs the result.
    """

    def whole(leaf):
        if not is_part(leaf):
            return leaf
        together = leaf.full_tensor()
        return together.cpu() if keep else None

    return tree_map(whole, tree)


def gathered_network(network: VideoEncoder | MaskedPredictor, keep: bool) -> VideoEncoder | MaskedPredictor:
    """Return a network that holds its weights whole: itself, or a copy on the CPU where ``keep`` asks for it."""
    if not any(is_part(parameter) for parameter in network.parameters()):
        return network
    weights = gathered(network.state_dict(), keep)
    if not keep:
        return network
    # a sharded network has got a class of its own, which can't be saved
    copy = (VideoEncoder if isinstance(network, VideoEncoder) else MaskedPredictor)(network.config)
    copy.load_state_dict(weights, assign=True)
    return copy


def is_part(value: object) -> bool:
    """Tell whether a value is one process's part of a tensor (a DTensor), without importing its class."""
    return hasattr(value, "full_tensor")
