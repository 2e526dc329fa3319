"""Sample clips of small worlds with known state, in endless supply and the same on every machine.

A clip begins (toy_start), moves (toy_motion), may break a law (toy_violations) and is drawn (toy_render). Labels:

| label | classes | what it says | where | frames that are needed |
|---|---|---|---|---|
| direction | 8 | the lead's heading in frame 0: k points 45k degrees from right towards down | every world | 2 |
| speed | 3 | slow, middle, fast in frame 0, the same for all objects of the clip | every world | 2 |
| last_direction | 8 | the lead's heading in the last frame, to the nearest of the eight | walls and collisions | all |
| bounced | 2 | the lead hits a wall, or the solid bar where one stands | walls | all |
| collision | 2 | two objects hit each other | collisions | all |
| gravity | 2 | things fall | gravity | 3 or more |
| occluded | 2 | a wide occluder hides the lead entirely in some frame | wide occluder | all |
| shape | 3 | the lead's: disc, square, diamond | every world | 1 |
| count | most - fewest + 1 | number of objects, less the fewest | several objects | 1 |
| colour | 6 | red, yellow, green, cyan, blue, magenta: of all that isn't white | something coloured | 1 |

Chance is one over the number of classes. Direction, speed, shape, count, colour and gravity are drawn evenly. The events
(bounced, collision, occluded) are about even where `World.events` is "balanced".
"""

from __future__ import annotations

from dataclasses import fields

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from minijepa.data.toy_motion import Track, roll
from minijepa.data.toy_render import draw
from minijepa.data.toy_start import Start, hidden, nearest_heading, select, start
from minijepa.data.toy_violations import KINDS, break_looks, break_track, check_kind, choose_onset
from minijepa.data.toy_world import Look, Motion, State, ToyClips, World

__all__ = ["KINDS", "Look", "Motion", "State", "ToyClips", "World", "sample", "split_generator"]

_SPLITS = ("train", "validation", "test")
_SEEDS, _STEPS = 1 << 8, 1 << 22  # with the split 32 bits: torch's CPU generator drops the rest of a seed
_TRIES = {"natural": 1, "balanced": 4, "always": 8}  # clips drawn for each that is kept


def split_generator(split: str, seed: int, step: int = 0) -> torch.Generator:
    """Make the generator of one batch of "train", "validation" or "test"; no two (split, seed, step) share a seed.

    The three numbers are packed into one 32-bit seed, so that train and test can't overlap.

    Raises: ValueError if the split is unknown, or seed or step lies outside 0..255 or 0..4194303.
    """
    if split not in _SPLITS:
        raise ValueError(f"expected a split of {_SPLITS}, got {split!r}")
    if not 0 <= seed < _SEEDS or not 0 <= step < _STEPS:
        raise ValueError(f"expected 0 <= seed < {_SEEDS} and 0 <= step < {_STEPS}, got seed {seed}, step {step}")
    number = (_SPLITS.index(split) * _SEEDS + seed) * _STEPS + step
    return torch.Generator().manual_seed(number)


def sample(
    world: World,
    count: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    violation: str | None = None,
) -> ToyClips:
    """Sample `count` clips of a world; the same generator state gives the same bytes on every machine and device.

    Args: a CPU generator (see `split_generator`); `device` is where the video is drawn and returned, labels and state
    stay on the CPU; `violation` is one of KINDS, and leaves every frame before `onset`, all labels and the generator's
    later draws as they are without it. A clip that has nothing to break (no bounce for "tunnelling", no gravity for
    "gravity") stays lawful; a world with events="always" has few of those.
    Returns: uint8 video (b, 3, f, H, W), labels (b,), state in px, onset of the violation in frames.
    Raises: ValueError for a count below 1, a generator that isn't on the CPU, or a violation that the world can't have.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 clip, got count {count}")
    if generator.device.type != "cpu":
        raise ValueError(
            f"expected a CPU generator, got one on {generator.device}: draws are made on the CPU so that every device "
            "gives the same clips; use split_generator, and pass device= for the video"
        )
    if violation is not None:
        check_kind(violation, world)
    whims = _fork(generator)
    begin, track = _eventful(world, count, generator)
    labels = _labels(world, begin, track)
    shape = begin.shape[:, None].repeat(1, world.frames, 1)
    colour = begin.colour[:, None].repeat(1, world.frames, 1, 1)
    onset = torch.full((count,), world.frames)
    if violation is not None:
        onset = choose_onset(violation, begin, track, world, whims)
        track = break_track(violation, begin, track, world, onset, whims)
        shape, colour = break_looks(violation, shape, colour, onset, whims)
    state = State(track.position, track.velocity, begin.bodies.radius, shape, colour, track.active, begin.bar)
    return ToyClips(draw(state, world, generator, torch.device(device)), labels, state, onset)


def _fork(generator: torch.Generator) -> torch.Generator:
    """Make a second generator that depends on the first and leaves it where it is."""
    copy = torch.Generator()
    copy.set_state(generator.get_state())
    return torch.Generator().manual_seed(int(torch.randint(0, 2**31, (1,), generator=copy)))


def _eventful(world: World, count: int, generator: torch.Generator) -> tuple[Start, Track]:
    """Draw and move clips; of several tries keep the one whose events are those that a coin asks for."""
    tries = _TRIES[world.events]
    begin = start(world, count, tries, generator)
    track = roll(begin.bodies, world)
    events = list(_events(world, begin, track, late=world.events == "always").values())
    if tries == 1 or not events:
        index = torch.arange(count)
    else:
        score = torch.zeros(count, tries, dtype=torch.int64)
        for event in events if world.events == "balanced" else events[:1]:
            wish = torch.randint(0, 2, (count, 1), generator=generator) == 1
            score += event.view(count, tries) == (wish | (world.events == "always"))
        best = (score * tries - torch.arange(tries)).argmax(1)  # the first of the best
        index = torch.arange(count) * tries + best
    return select(begin, index), Track(*(getattr(track, f.name)[index] for f in fields(Track)))


def _events(world: World, begin: Start, track: Track, late: bool = False) -> dict[str, Bool[Tensor, " b"]]:
    """Find what happens in each clip, the world's main event first.

    Args: `late` asks for events that a violation can use: after the first quarter, and what hid comes out again.
    """
    first, events = world.frames // 4 if late else 0, {}
    if world.motion.bar == "occluder" and world.motion.bar_width > 3 * world.radius[0]:
        covered = hidden(begin, track)
        events["occluded"] = covered[:, first:].any(1) & ~(covered[:, -1] & late)
    if world.motion.collisions and world.objects[1] > 1:
        events["collision"] = track.collided[:, first:].any(1)
    if world.motion.edges == "walls":
        events["bounced"] = track.bounced[:, first:].any(1)
    return events


def _labels(world: World, begin: Start, track: Track) -> dict[str, Int64[Tensor, " b"]]:
    """Name what a probe can be asked, from the lawful clip."""
    labels = {"direction": begin.direction, "speed": begin.speed, "shape": begin.shape[:, 0]}
    if world.motion.edges == "walls" and world.motion.collisions:
        labels["last_direction"] = nearest_heading(track.velocity[:, -1, 0])
    labels |= {name: event.long() for name, event in _events(world, begin, track).items()}
    if world.motion.gravity:
        labels["gravity"] = (begin.bodies.gravity[:, 0] > 0).long()
    if world.objects[0] < world.objects[1]:
        labels["count"] = begin.bodies.active.sum(1) - world.objects[0]
    if world.objects[0] > 1 or world.look.hue == "clip":
        labels["colour"] = begin.tint
    return labels
