"""Five-sample copies of real data sets, written in their true formats with clips of our own."""

import json
from pathlib import Path

import av
import numpy as np
import torch

from minijepa.data.write import write_clip

EK_HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)


def clip(path: Path, frames: int = 4, fps: int = 12) -> Path:
    """Write a small clip; the encoders want lower-case suffixes, the data sets do not all have them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = torch.randint(256, (3, frames, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    small = write_clip(path.with_suffix(path.suffix.lower()), video, fps)
    return small.rename(path)


def picture(path: Path, grey: int, size: int = 32) -> None:
    """Write one grey jpg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.height = stream.width = size
        stream.pix_fmt = "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), grey, np.uint8), format="rgb24")
        out.mux(stream.encode(frame.reformat(format="yuvj420p")))
        out.mux(stream.encode())


def ssv2(root: Path, folder: str = "labels", prefix: str = "") -> Path:
    """Write three classes, two training, one validation and two test clips."""
    (root / folder).mkdir(parents=True)
    labels = {"Moving something up": "1", "Holding something next to something": "2", "Something falling like a feather": "0"}
    train = [
        {
            "id": "78687",
            "label": "holding potato next to vicks vaporub bottle",
            "template": "Holding [something] next to [something]",
            "placeholders": ["potato", "vicks vaporub bottle"],
        },
        {
            "id": "36585",
            "label": "plastic falling like a feather",
            "template": "[Something] falling like a feather",
            "placeholders": ["plastic"],
        },
    ]
    validation = [{"id": "117478", "label": "moving glass up", "template": "Moving [something] up", "placeholders": ["glass"]}]
    for name, value in {"labels": labels, "train": train, "validation": validation}.items():
        (root / folder / f"{prefix}{name}.json").write_text(json.dumps(value))
    (root / folder / f"{prefix}test.json").write_text('[{"id":"1420"},\n{"id":"50058"}]')
    (root / folder / f"{prefix}test-answers.csv").write_text(
        "50058;Moving something up\n1420;Something falling like a feather\n"
    )
    for name in (78687, 36585, 117478, 1420, 50058):
        clip(root / "20bn-something-something-v2" / f"{name}.webm")
    return root


def kinetics(root: Path) -> Path:
    """Write a list with spaces, with a space inside a path, and one with the other delimiter."""
    names = [root / "abseiling" / "a.mp4", root / "air drumming" / "b.mp4", root / "abseiling" / "c.mp4"]
    held = [root / "val" / "d.mp4", root / "val" / "e.mp4"]
    for path in names + held:
        clip(path)
    (root / "train.csv").write_text(f"{names[0]} 0\n{names[1]} 1\nabseiling/c.mp4 0\n")
    (root / "val.txt").write_text(f"{held[0]}::1\n{held[1]}::0\n")
    return root


def diving48(root: Path) -> Path:
    """Write three classes, three training and two test clips."""
    vocabulary = [
        ["Back", "15som", "05Twis", "FREE"],
        ["Back", "15som", "15Twis", "FREE"],
        ["Forward", "Dive", "NoTwis", "PIKE"],
    ]
    names = ["-mmq0PT-u8k_00155", "-mmq0PT-u8k_00156", "2x00lRzlTVQ_00000", "2x00lRzlTVQ_00001", "_8Vy3dlHg2w_00000"]
    entries = [
        {"vid_name": name, "label": label, "start_frame": 0, "end_frame": 3} for name, label in zip(names, (0, 2, 2, 1, 0))
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "Diving48_vocab.json").write_text(json.dumps(vocabulary))
    (root / "Diving48_V2_train.json").write_text(json.dumps(entries[:3]))
    (root / "Diving48_V2_test.json").write_text(json.dumps(entries[3:]))
    for name in names:
        clip(root / "rgb" / f"{name}.mp4")
    return root


def jester(root: Path) -> Path:
    """Write three gestures, two training, one validation and two test folders of three pictures each."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "jester-v1-labels.csv").write_text("Swiping Left\nSwiping Right\nThumb Up\n")
    (root / "jester-v1-train.csv").write_text("34870;Thumb Up\n56557;Swiping Left\n")
    (root / "jester-v1-validation.csv").write_text("9223;Swiping Right\n")
    (root / "jester-v1-test.csv").write_text("7\n8\n")
    for name in (34870, 56557, 9223, 7, 8):
        for i in range(3):
            picture(root / "20bn-jester-v1" / str(name) / f"{i + 1:05d}.jpg", 40 * (i + 1))
    return root


def ek_row(name: str, start: int, stop: int, verb: int, noun: int, fps: int = 12) -> str:
    """Write one row; a narration with a comma and lists in quotes, as the true files have."""
    video = name.rsplit("_", 1)[0]
    times = ",".join(f"00:00:{frame / fps:05.2f}" for frame in (start, stop))
    return (
        f'{name},{video[:3]},{video},00:00:00.500,{times},{start},{stop},"take it, then put it",take,{verb},'
        f"knife:large,{noun},\"['knife:large', 'plate']\",\"[{noun}, 2]\""
    )


def epic_kitchens(root: Path) -> Path:
    """Write three training rows and three validation rows, of which one has a pair that training never shows."""
    root.mkdir(parents=True, exist_ok=True)
    train = [ek_row("P01_01_0", 2, 10, 3, 8), ek_row("P01_01_1", 12, 20, 0, 4), ek_row("P22_107_0", 6, 30, 3, 4)]
    validation = [ek_row("P22_107_1", 24, 30, 0, 4), ek_row("P22_107_2", 31, 40, 0, 8), ek_row("P22_107_3", 20, 40, 3, 4)]
    for split, rows in {"train": train, "validation": validation}.items():
        (root / f"EPIC_100_{split}.csv").write_text("\n".join([EK_HEADER, *rows]) + "\n")
    clip(root / "P01" / "videos" / "P01_01.MP4", frames=48)  # both layouts occur
    clip(root / "P22" / "P22_107.MP4", frames=48)
    return root
