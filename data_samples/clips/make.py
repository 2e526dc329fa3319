"""Make the sample clips and their card again: python data_samples/clips/make.py

Every clip is one draw of minijepa.data.toy_physics with its own generator, from the test split, so that no training run
has seen it.
"""

from pathlib import Path

from minijepa.data.toy_physics import Look, ToyClips, World, sample, split_generator
from minijepa.data.toy_start import COLOURS
from minijepa.data.toy_world import SHAPES
from minijepa.data.video import write_clip

HERE = Path(__file__).parent
SEED = 255  # of the test split; the step of each clip is in the table below
SIZE, FRAMES, FPS = 96, 32, 12
DIRECTIONS = ("right", "right-down", "down", "left-down", "left", "left-up", "up", "right-up")
CALM = Look(noise=0.03)

# name -> (world, step of the generator, violation)
CLIPS: dict[str, tuple[World, int, str | None]] = {
    "drift": (World.drift(SIZE, FRAMES, texture=0.1, noise=0.03), 14, None),
    "drift_hue": (World.drift(SIZE, FRAMES, texture=0.1, noise=0.03, hue="clip"), 13, None),
    "bounce": (World.bounce(SIZE, FRAMES, CALM, "always"), 2, None),
    "fall": (World.fall(SIZE, FRAMES, CALM, "always"), 12, None),
    "collide": (World.collide(SIZE, FRAMES, CALM, "always"), 20, None),
    "occluder": (World.occluder(SIZE, FRAMES, CALM, "always"), 14, None),
    "barrier": (World.barrier(SIZE, FRAMES, CALM, "always"), 15, None),
    "rich": (World.rich(SIZE, FRAMES, noise=0.03), 12, None),
    "rich_distractors": (World.rich(SIZE, FRAMES, "strong", noise=0.03), 18, None),
    "broken_permanence": (World.occluder(SIZE, FRAMES, CALM, "always"), 14, "permanence"),
    "broken_tunnelling": (World.barrier(SIZE, FRAMES, CALM, "always"), 15, "tunnelling"),
    "broken_gravity": (World.fall(SIZE, FRAMES, CALM, "always"), 12, "gravity"),
}

CARD = """# Twelve toy clips

H.264 in mp4, yuv420p, {size} x {size} px, {frames} frames at {fps} a second. Drawn by `minijepa.data.toy_physics`, written by
`minijepa.data.video.write_clip`; nobody filmed anything, and they are under the licence of this repository. They serve to
read, show and test video; nothing was trained on them. The three clips named `broken_` break a law of physics at their
onset (frames count from 0); until then they are the same as their lawful twins `occluder`, `barrier` and `fall`.

Make them again: `python data_samples/clips/make.py`. Clip by clip, the generator is `split_generator("test", {seed}, step)`
and the clip is `sample(world, 1, generator, violation=...)`, with the world as in make.py. The frames are the same on
every machine; the bytes of a file may change with the version of x264.

| file | kB | step | onset | labels (direction and speed: of the white or only shape, in frame 0) |
|---|---|---|---|---|
{rows}
"""


def clip(name: str) -> ToyClips:
    """Draw one clip by name."""
    world, step, violation = CLIPS[name]
    return sample(world, 1, split_generator("test", SEED, step), violation=violation)


def describe(labels: dict[str, int]) -> str:
    """Put labels into words."""
    words = {"direction": DIRECTIONS, "speed": ("slow", "middle", "fast"), "shape": SHAPES, "colour": COLOURS}
    parts = [f"{key} {words[key][value]}" for key, value in labels.items() if key in words]
    if "count" in labels:
        parts.append(f"{labels['count'] + 2} shapes")
    events = ("bounced", "collision", "occluded", "gravity")
    return ", ".join(parts + [f"{key} {'yes' if labels[key] else 'no'}" for key in events if key in labels])


def main() -> None:
    rows = []
    for name, (_, step, violation) in CLIPS.items():
        drawn = clip(name)
        size = write_clip(HERE / f"{name}.mp4", drawn.video[0], fps=FPS, quality=24).stat().st_size
        onset = f"{int(drawn.onset)}, {violation}" if violation else "lawful"
        labels = describe({key: int(value) for key, value in drawn.labels.items()})
        rows.append(f"| {name}.mp4 | {size / 1000:.0f} | {step} | {onset} | {labels} |")
    card = CARD.format(size=SIZE, frames=FRAMES, fps=FPS, seed=SEED, rows="\n".join(rows))
    (HERE / "README.md").write_text(card)


if __name__ == "__main__":
    main()
