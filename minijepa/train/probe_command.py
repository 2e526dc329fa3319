"""The command ``python -m minijepa.train.fit_probe``: fit attentive probes on a frozen encoder.

    python -m minijepa.train.fit_probe toy --encoder data_samples/checkpoints/drift/encoder.safetensors --label speed
    python -m minijepa.train.fit_probe videos --encoder facebook/vjepa2-vitl-fpc64-256 --dataset ssv2 --root /data/ssv2

It computes the tokens once, fits a probe for every pair of a rate and a decay, and writes the one that is best on
validation clips with the scores of all.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro

from minijepa.data.preprocess import normalize
from minijepa.data.segments import Cut, cut_video
from minijepa.data.sets.check import SETS
from minijepa.data.sets.sample import Sample, require_all
from minijepa.data.toy_physics import World, sample, split_generator
from minijepa.data.video_files import seeded
from minijepa.model.encoder import VideoEncoder
from minijepa.model.weights import load, save
from minijepa.train.attentive import RATES, ClipTokens, ProbeFit, Selection, fit_heads, grid, select_head
from minijepa.train.run import write_table
from minijepa.train.tokens import cache_tokens, view_tokens

FIRST_SEED = 100  # training draws its clips from the seeds below


@dataclass(frozen=True)
class Recipe:
    """Say how the probes are trained; a probe is fitted for every rate with every decay."""

    rates: tuple[float | int, ...] = RATES  # learning rates; cosine to 0
    decays: tuple[float | int, ...] = (0.01, 0.1, 0.4, 0.8)  # of AdamW, on every parameter
    depth: int = 4  # of a probe; 1 is the cross-attention alone
    attention_heads: int = 16  # of a probe
    epochs: int = 20
    batch: int = 256  # clips
    seed: int = 0  # of first weights, order and views; also of segment starts
    device: str = "cpu"  # where the encoder and the probes run; a GPU is "cuda"

    def fit(self) -> ProbeFit:
        """Return the same as settings of ``fit_heads``."""
        heads = grid(self.rates, self.decays)
        return ProbeFit(
            heads, self.depth, self.attention_heads, self.epochs, self.batch, self.seed, quiet=False, device=self.device
        )


@dataclass(frozen=True)
class Toy:
    """Probe an encoder on a toy world."""

    encoder: str  # a file that minijepa.load opens
    folder: Path = Path("runs/probe")  # probe.safetensors and heads.csv appear in it
    world: Literal["drift", "bounce", "fall", "collide", "occluder", "barrier", "rich"] = "drift"
    label: str = "direction"  # what the probe is asked; see minijepa.data.toy_physics
    clips: tuple[int, int, int] = (1000, 500, 2000)  # to fit on, to choose on, to test on
    clip_seed: int = 0  # of these clips, 0 to 155
    layers: tuple[int, ...] = ()  # blocks whose tokens are read; none: the last
    recipe: Recipe = Recipe((3e-3, 1e-3), (0.01, 0.4), attention_heads=4, epochs=5, batch=32)  # small width, few clips


@dataclass(frozen=True)
class Videos:
    """Probe an encoder on labelled videos. Tokens are kept in the folder; a run that was killed goes on there."""

    encoder: str  # what minijepa.load opens: a file or a released name
    root: Path  # folder of the data set
    folder: Path = Path("runs/probe")  # tokens, probe.safetensors and heads.csv appear in it
    dataset: Literal["ssv2", "kinetics", "diving48", "jester"] = "ssv2"  # format; a list of "path label" is "kinetics"
    choose_on: float | int = 0.1  # share of the training videos that chooses the head; 0: the test videos do, as released
    cut: Cut = Cut()  # which pixels of a video are read
    layers: tuple[int, ...] = ()  # blocks whose tokens are read; none: the last
    recipe: Recipe = Recipe()


def toy_sets(settings: Toy, encoder: VideoEncoder) -> tuple[list[ClipTokens], int]:
    """Make the tokens of the three sets of clips, and count the classes; raise ValueError for a label that the world lacks."""
    world, sets = getattr(World, settings.world)(), []
    for split, count in zip(("train", "validation", "test"), settings.clips, strict=True):
        clips = sample(world, count, split_generator(split, FIRST_SEED + settings.clip_seed))
        if settings.label not in clips.labels:
            raise ValueError(
                f"--label: expected one of {', '.join(clips.labels)} in the world {settings.world}, got {settings.label}"
            )
        views = normalize(clips.video)[:, None, None]
        parts = [view_tokens(encoder, part.to(settings.recipe.device), settings.layers).cpu() for part in views.split(256)]
        sets.append(ClipTokens(torch.cat(parts), clips.labels[settings.label]))
    return sets, int(sets[0].labels.max()) + 1


def video_sets(settings: Videos, encoder: VideoEncoder) -> tuple[list[ClipTokens], int]:
    """Make or reopen the tokens of the training, choosing and test videos, and count the classes."""
    reader = SETS[settings.dataset]
    train, test = reader.read(settings.root, "train"), reader.read(settings.root, judged_split(settings.dataset))
    require_all(train + test)
    order = torch.randperm(len(train), generator=seeded(settings.recipe.seed)).tolist()
    held = round(settings.choose_on * len(train))
    parts = {"train": [train[i] for i in order[held:]], "validation": [train[i] for i in order[:held]], "test": test}
    sets = {name: video_tokens(settings, encoder, name, part) for name, part in parts.items() if part}
    sets.setdefault("validation", sets["test"])
    return [sets[name] for name in ("train", "validation", "test")], len(reader.classes(settings.root))


def judged_split(dataset: str) -> str:
    """Name the split whose labels are public: the published numbers are scores on it."""
    return "test" if dataset == "diving48" else "validation"


def video_tokens(settings: Videos, encoder: VideoEncoder, name: str, samples: Sequence[Sample]) -> ClipTokens:
    """Make or reopen the tokens of some videos."""

    def make(numbers: range) -> torch.Tensor:
        starts = [seeded(settings.recipe.seed, number) for number in numbers]
        chosen = [samples[number] for number in numbers]
        views = [cut_video(s.path, settings.cut, s.frames, start) for s, start in zip(chosen, starts, strict=True)]
        return view_tokens(encoder, torch.stack(views).to(settings.recipe.device), settings.layers)

    about = f"{settings.encoder}, {settings.dataset} {name} of {settings.root}, {settings.cut}, {settings.layers}, "
    about += f"seed {settings.recipe.seed}, held out {settings.choose_on}"
    tokens = cache_tokens(settings.folder / f"{name}.npy", len(samples), make, about, batch=4, dtype="float16", quiet=False)
    return ClipTokens(tokens, torch.tensor([s.label for s in samples]))


def run(settings: Toy | Videos) -> Selection:
    """Fit, choose, and write the chosen probe and the scores of all heads."""
    encoder = load(settings.encoder)
    if not isinstance(encoder, VideoEncoder):
        raise ValueError(f"--encoder: expected an encoder, got a {type(encoder).__name__} in {settings.encoder}")
    encoder.to(settings.recipe.device)
    sets, classes = toy_sets(settings, encoder) if isinstance(settings, Toy) else video_sets(settings, encoder)
    fit = settings.recipe.fit()
    probes = fit_heads(sets[0], classes, fit)
    selection = select_head(probes, fit, *sets[1:])
    scores = zip(selection.heads, selection.validation, selection.test, strict=True)
    rows = [asdict(head) | {"validation": chosen_by, "test": judged} for head, chosen_by, judged in scores]
    write_table(settings.folder / "heads.csv", rows)
    save(probes[selection.chosen], settings.folder / "probe.safetensors")
    return selection


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; settings that cannot work end it with one line instead of a traceback."""
    settings = tyro.extras.subcommand_cli_from_dict({"toy": Toy, "videos": Videos}, args=arguments, prog="fit_probe")
    try:
        sys.stdout.write(run(settings).text() + "\n")
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from error
