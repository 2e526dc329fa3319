"""What it costs to open a large checkpoint, in processes of their own: CPU seconds and private memory.

The other side is what most loaders do, with the same classes: build the network with its initial weights, `torch.load` the
file, copy with `load_state_dict`. Ours builds on the meta device and maps the file. Private memory is RssAnon: pages of the
mapped file are not in it, because the system can drop them at any time.
"""

import json
import subprocess
import sys

import pytest
import torch

from minijepa import VideoEncoder, save
from minijepa.config import EncoderConfig

MEASURE = """
import json, sys, time, torch
from pathlib import Path
torch.set_num_threads(1)
{prepare}
def private():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1e3
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3
before, resident, start, clock = private(), peak(), time.process_time(), time.perf_counter()
{call}
seconds, waited, opened = time.process_time() - start, time.perf_counter() - clock, private() - before
{touch}
print(json.dumps([seconds, waited, opened, peak() - resident]))
"""


def measured(prepare: str, call: str, touch: str = "") -> tuple[float, float, float, float]:
    """Run in a fresh process; return CPU seconds, seconds by the clock, private MB after and MB more at the peak."""
    text = MEASURE.format(prepare=prepare, call=call, touch=touch)
    output = subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True).stdout
    return tuple(json.loads(output.splitlines()[-1]))


def constant(config: EncoderConfig) -> VideoEncoder:
    with torch.device("meta"):
        model = VideoEncoder(config)
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    return model


@pytest.fixture(scope="module")
def vit_l(tmp_path_factory):
    """Write ViT-L as our file, as a pickle for the slow way, and as an original file; delete the 3.6 GB afterwards."""
    folder, model = tmp_path_factory.mktemp("vit_l"), constant(EncoderConfig.vit_l())
    state = {f"module.backbone.{key}": value for key, value in model.state_dict().items()}
    save(model, folder / "ours.safetensors")
    torch.save(model.state_dict(), folder / "state.pt")
    torch.save({"encoder": state, "target_encoder": state, "epoch": 1}, folder / "vitl.pt")
    yield folder
    for path in folder.iterdir():
        path.unlink()


def test_lazy_against_build_and_copy(report, vit_l):
    slow = measured(
        "import minijepa; from minijepa import VideoEncoder, EncoderConfig",
        f"model = VideoEncoder(EncoderConfig.vit_l()); model.load_state_dict(torch.load({str(vit_l / 'state.pt')!r}))",
    )
    for name in ("ours.safetensors", "vitl.pt"):
        lazy = [measured("import minijepa", f"model = minijepa.load({str(vit_l / name)!r})") for _ in range(3)]
        cpu, wall, private, peak = (sorted(values)[1] for values in zip(*lazy))
        report(
            f"ViT-L, {name}: {cpu:.3f} s CPU, {wall:.3f} s by the clock, {private:.0f} MB private, peak +{peak:.0f} MB; "
            f"build + torch.load + copy: {slow[0]:.2f} s CPU, {slow[2]:.0f} MB private, peak +{slow[3]:.0f} MB; "
            f"{slow[0] / cpu:.0f}x CPU (goal 100x), {slow[3] / peak:.0f}x peak memory (goal 5x)"
        )
        assert cpu < 0.2 and slow[0] / cpu >= 100 and slow[3] / peak >= 5


def test_vit_g_opens_under_a_gigabyte(report, tmp_path):
    """Both layouts: an original file is mapped whole, a folder of transformers has its queries, keys and values joined."""
    from minijepa import MaskedPredictor, PredictorConfig
    from minijepa.model.weights import save_for_transformers

    config = EncoderConfig.vit_g()
    model = constant(config)
    torch.save({"target_encoder": model.state_dict()}, tmp_path / "vitg.pt")
    found = {"original vitg.pt": measured("import minijepa", f"model = minijepa.load({str(tmp_path / 'vitg.pt')!r})")}
    (tmp_path / "vitg.pt").unlink()
    predictor = MaskedPredictor(PredictorConfig.released(config))
    folder = save_for_transformers(tmp_path / "folder", model, predictor)
    del model
    found["folder of transformers"] = measured("import minijepa", f"model = minijepa.load({str(folder)!r})")
    (folder / "model.safetensors").unlink()
    for name, (cpu, wall, private, peak) in found.items():
        report(
            f"ViT-g, {name}: {cpu:.2f} s CPU, {wall:.2f} s by the clock, {private:.0f} MB private (goal 1000), "
            f"peak +{peak:.0f} MB"
        )
        assert private < 1000, name
