"""Compute frozen tokens once: in memory, or in a file that a killed run goes on writing.

A probe's training reads the same tokens in every epoch, and the encoder costs far more than the probe: a ViT-L clip of
16 frames takes 2,048 tokens x 1,024 numbers, 8 MB in float32 and 4 MB in float16.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from minijepa.model.encoder import VideoEncoder
from minijepa.train.run import replace_file

MakeTokens = Callable[[range], Tensor]  # numbers of clips -> their tokens (k, views, n, d)


@torch.no_grad()
def view_tokens(
    encoder: VideoEncoder, video: Float[Tensor, "b v s c f H W"], layers: Sequence[int] = ()
) -> Float[Tensor, "b v n d"]:
    """Encode every segment of every view by itself, and lay the tokens of a view's segments one after the other.

    Implements ``vit_encoder_multiclip`` and ``vit_encoder_multiclip_multilevel`` of the released evaluations: a probe then
    attends over all segments at once, and views are averaged later, as probabilities.

    encoder: frozen, in evaluation mode. video: v views of s segments of b clips, normalised.
    layers: 0-based blocks whose tokens are joined as well, each through the final norm; none means the last block
    alone. Official for Diving48 and Jester: 17 19 21 23 of ViT-L, 24 29 34 39 of ViT-g.
    Returns (b, v, s x layers x t h w, d).
    """
    clips = rearrange(video, "b v s c f y x -> (b v s) c f y x")
    outputs = encoder.layers(clips, layers) if layers else [encoder(clips)]
    _, views, segments = video.shape[:3]
    return rearrange(torch.cat(outputs, dim=1), "(b v s) n d -> b v (s n) d", v=views, s=segments)


def cache_tokens(
    path: Path,
    count: int,
    make: MakeTokens,
    settings: str,
    batch: int = 16,
    dtype: Literal["float32", "float16"] = "float32",
    quiet: bool = True,
) -> Float[Tensor, "clips v n d"]:
    """Return the tokens of all clips as a memory-mapped tensor, computing only those that the file lacks.

    The file grows beside its place, batch by batch, with the number of finished clips in a second file; when it is
    whole it is renamed. A kill at any moment costs at most one batch.

    path: of the .npy file. count: clips. make: computes the tokens of some of them; all batches have one shape.
    settings: what the tokens depend on (encoder, clips, cut), in words; it must be the same when the file is used again.
    Raises ValueError for a file that was made with other settings, or of other clips.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    facts, part = path.with_suffix(".json"), path.with_name(f".{path.name}.part")
    about = {"settings": settings, "clips": count, "dtype": dtype}
    done = finished_clips(facts, about)
    if not path.exists():
        done = done if part.exists() else 0
        for start in tqdm(range(done, count, batch), disable=quiet):
            write_rows(part, make(range(start, min(count, start + batch))), start, count, dtype)
            replace_file(facts, json.dumps(about | {"done": min(count, start + batch)}).encode())
        part.replace(path)
    return torch.from_numpy(np.load(path, mmap_mode="c"))  # "c": pages are read when used, and never written back


def finished_clips(facts: Path, about: dict[str, str | int]) -> int:
    """Return how many clips are in the file already; raise ValueError if it holds other ones."""
    if not facts.exists():
        return 0
    there = json.loads(facts.read_text())
    done = there.pop("done")
    if there != about:
        raise ValueError(
            f"{facts}: expected tokens of {about}, got {there}; delete {facts.name} and its .npy file, or choose another folder"
        )
    return done


def write_rows(part: Path, tokens: Float[Tensor, "k v n d"], start: int, count: int, dtype: str) -> None:
    """Write the tokens of some clips into the growing file, making it with the first."""
    if start == 0:
        rows = np.lib.format.open_memmap(part, "w+", dtype, (count, *tokens.shape[1:]))
    else:
        rows = np.lib.format.open_memmap(part, "r+")
    rows[start : start + len(tokens)] = tokens.cpu().numpy().astype(dtype)
    rows.flush()  # before the count says that they are there
