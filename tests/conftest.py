"""What every test run shares: checked shapes, one thread, and no network.

The import hook wraps every function of `minijepa` so that its jaxtyping shapes are checked by beartype at each call. It has to
be installed before the first `import minijepa`. Benchmarks time the library as users run it, without the hook.
"""

import os
import sys

import hypothesis
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

if not any("tests/benchmarks" in argument for argument in sys.argv):
    from jaxtyping import install_import_hook

    install_import_hook(["minijepa", "minijepa_robot"], "beartype.beartype")

# One thread: the same sums in the same order on every run, and no fight between the workers of pytest-xdist.
torch.set_num_threads(1)

# Wall-clock deadlines fail on a busy machine, and random examples would make a red run hard to repeat.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, max_examples=30)
hypothesis.settings.load_profile("house")
