"""The released planner in plain words, written from what the released code does and not from ours.

Every step of a rollout runs the predictor over the whole history again, for all samples at once; every layer works out its
sines and cosines again and sends action and state tokens through the query map one by one; scipy turns the poses, one sample
at a time. The dense mask is built once and cut to size, as there. What the benchmarks time us against.
"""

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn
from torch.nn import functional as F

from minijepa.config import ActionPredictorConfig
from minijepa.model.action_predictor import ActionPredictor
from tests.benchmarks.plain_model import PlainMlp, rotate_plain

CLUES = 2  # action and state


class PlainActionAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.axis = heads, 2 * ((width // heads // 3) // 2)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def turn(self, x: Tensor, positions: list[Tensor]) -> Tensor:
        """Rotate as many axes as there are positions; the other channels pass."""
        s, turned = self.axis, []
        for i, position in enumerate(positions):
            turned.append(rotate_plain(x[..., i * s : (i + 1) * s], position, 10_000.0))
        return torch.cat([*turned, x[..., len(positions) * s :]], dim=-1)

    def heads_of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, n, d = x.shape
        return self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x: Tensor, mask: Tensor, steps: int, grid: tuple[int, int]) -> Tensor:
        b, n, d = x.shape
        area = grid[0] * grid[1]
        x = x.view(b, steps, CLUES + area, d)
        when = torch.arange(steps, device=x.device) * 1.0
        groups = [[], [], []]  # queries, keys and values of the tokens of a step, in order
        for i in range(CLUES):
            q, k, v = self.heads_of(x[:, :, i])
            for group, part in zip(groups, (self.turn(q, [when]), self.turn(k, [when]), v)):
                group.append(part[:, :, :, None])
        q, k, v = self.heads_of(x[:, :, CLUES:].flatten(1, 2))
        ids = torch.arange(steps * area, device=x.device)
        frame = ids // area
        inside = ids - frame * area
        positions = [1.0 * frame, 1.0 * (inside // grid[1]), 1.0 * (inside % grid[1])]
        for group, part in zip(groups, (self.turn(q, positions), self.turn(k, positions), v)):
            group.append(part.unflatten(2, (steps, area)))
        q, k, v = (torch.cat(group, dim=3).flatten(2, 3) for group in groups)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(x.transpose(1, 2).reshape(b, n, d))


class PlainActionBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = PlainActionAttention(width, heads), PlainMlp(width, 4 * width)

    def forward(self, x: Tensor, mask: Tensor, steps: int, grid: tuple[int, int]) -> Tensor:
        x = x + self.attn(self.norm1(x), mask, steps, grid)
        return x + self.mlp(self.norm2(x))


class PlainActionPredictor(nn.Module):
    def __init__(self, config: ActionPredictorConfig, grid: tuple[int, int], most_steps: int) -> None:
        super().__init__()
        self.grid, width = grid, config.width
        self.predictor_embed = nn.Linear(config.encoder_width, width)
        self.action_encoder = nn.Linear(config.action_width, width)
        self.state_encoder = nn.Linear(config.action_width, width)
        self.extrinsics_encoder = nn.Linear(6, width)
        self.predictor_blocks = nn.ModuleList(PlainActionBlock(width, config.heads) for _ in range(config.depth))
        self.predictor_norm = nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj = nn.Linear(width, config.encoder_width)
        step = torch.arange(most_steps).repeat_interleave(CLUES + grid[0] * grid[1])
        self.mask = step[:, None] >= step[None]

    def forward(self, frames: Tensor, actions: Tensor, states: Tensor) -> Tensor:
        b, steps, _ = actions.shape
        x = self.predictor_embed(frames)
        x = x.view(b, steps, -1, x.shape[-1])
        x = torch.cat([self.action_encoder(actions)[:, :, None], self.state_encoder(states)[:, :, None], x], dim=2).flatten(
            1, 2
        )
        mask = self.mask[: x.shape[1], : x.shape[1]].to(x.device)
        for block in self.predictor_blocks:
            x = block(x, mask, steps, self.grid)
        x = x.view(b, steps, -1, x.shape[-1])[:, :, CLUES:].flatten(1, 2)
        return self.predictor_proj(self.predictor_norm(x))


def plain_pose(pose: Tensor, action: Tensor) -> Tensor:
    """Give the next poses of samples (s, 7), one after the other."""
    p, a = pose.cpu().numpy(), action.cpu().numpy()
    before = [Rotation.from_euler("xyz", angles).as_matrix() for angles in p[:, 3:6]]
    turns = [Rotation.from_euler("xyz", angles).as_matrix() for angles in a[:, 3:6]]
    angles = [Rotation.from_matrix(turn @ matrix).as_euler("xyz") for turn, matrix in zip(turns, before)]
    closed = np.clip(p[:, 6:] + a[:, 6:], 0, 1)
    together = np.concatenate([p[:, :3] + a[:, :3], np.stack(angles), closed], axis=1)
    return torch.from_numpy(together).to(pose.device, pose.dtype)


class PlainPlanner:
    """Plan as released; `energies` keeps those of the last iteration."""

    def __init__(self, predictor: ActionPredictor, grid: tuple[int, int], horizon: int) -> None:
        self.predictor = PlainActionPredictor(predictor.config, grid, horizon).eval()
        self.predictor.load_state_dict(predictor.state_dict())
        self.horizon, self.energies = horizon, torch.empty(0)

    def sample(
        self, mean: Tensor, std: Tensor, context: Tensor, pose: Tensor, limit: float, generator
    ) -> tuple[Tensor, Tensor]:
        frames, poses, actions = context, pose[:, None], None
        samples, area = len(context), context.shape[1]
        for h in range(self.horizon):
            drawn = torch.randn(samples, 4, generator=generator) * std[h] + mean[h]
            drawn[:, :3] = torch.clip(drawn[:, :3], min=-limit, max=limit)
            drawn[:, -1:] = torch.clip(drawn[:, -1:], min=-0.75, max=0.75)
            action = torch.cat([drawn[:, :3], torch.zeros(samples, 3), drawn[:, 3:]], dim=-1)[:, None]
            actions = action if actions is None else torch.cat([actions, action], dim=1)
            after = F.layer_norm(self.predictor(frames, actions, poses)[:, -area:], (context.shape[-1],))
            frames = torch.cat([frames, after], dim=1)
            poses = torch.cat([poses, plain_pose(poses[:, -1], action[:, -1])[:, None]], dim=1)
        return actions, frames[:, -area:]

    @torch.no_grad()
    def plan(
        self, context: Tensor, pose: Tensor, goal: Tensor, sizes: tuple[int, int, int], limit: float, momenta: tuple, generator
    ) -> Tensor:
        """Give the actions (horizon, 7); `sizes` are samples, iterations and elites, `momenta` those of mean and std."""
        samples, iterations, elites = sizes
        keep = [torch.tensor([momentum] * 3 + [0.15]) for momentum in momenta]
        mean, std = torch.zeros(self.horizon, 4), torch.tensor([limit] * 3 + [1.0]).repeat(self.horizon, 1)
        context, pose, goal = context.repeat(samples, 1, 1), pose.repeat(samples, 1), goal.repeat(samples, 1, 1)
        for _ in range(iterations):
            actions, final = self.sample(mean, std, context, pose, limit, generator)
            self.energies = torch.mean(torch.abs(final.flatten(1) - goal.flatten(1)), dim=-1)
            best = actions[torch.topk(-self.energies, elites).indices][..., [0, 1, 2, 6]]
            mean = best.mean(dim=0) * (1 - keep[0]) + mean * keep[0]
            std = best.std(dim=0) * (1 - keep[1]) + std * keep[1]
        gripper = torch.where(mean[:, 3:].abs() < 0.25, 0.0, mean[:, 3:])
        return torch.cat([mean[:, :3], torch.zeros(self.horizon, 3), gripper], dim=-1)
