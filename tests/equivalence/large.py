"""Full-size ViT-L, ViT-H and ViT-g in both released layouts against transformers, one size at a time: `make verify-large`.

    python -m tests.equivalence.large vit_h      # 20 GB of RAM are enough for all; up to 13 GB of disk for ViT-g

Each size is written with random weights (encoder, predictor, SSv2 probe with its 16 heads), loaded back from the original files
and from the folder of transformers, and compared to 1e-5 in float32. The files are deleted before the next size begins.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch

from minijepa.config import EncoderConfig
from tests.equivalence import released

FILES = {
    "vit_l": ("vitl.pt", "ssv2-vitl-16x2x3.pt"),
    "vit_h": ("vith.pt", None),  # no probe on ViT-H was released
    "vit_g": ("vitg.pt", "ssv2-vitg-384-64x2x3.pt"),
}


def verify(size: str, folder: Path) -> list[str]:
    """Write, load and compare one size; return a line a layout with the largest differences."""
    model, probe = FILES[size]
    written = released.write(folder, getattr(EncoderConfig, size)(), model, probe or "ssv2-vith.pt")
    lines = []
    for layout in ("original", "transformers"):
        start = time.process_time()
        parts = released.load_parts(written, layout, with_probe=probe is not None)
        opened = time.process_time() - start
        found = ", ".join(f"{name} {value:.1e}" for name, value in released.compare(written, parts).items())
        lines.append(f"{size}, {layout}: opened in {opened:.2f} s CPU; largest difference: {found}")
        del parts
    written.delete()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", choices=FILES, default=list(FILES))
    torch.set_num_threads(1)
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory() as folder:
            print(*verify(size, Path(folder)), sep="\n", flush=True)
    print(f"peak resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB, mapped files included")


if __name__ == "__main__":
    main()
