"""The real huggingface-hub client against a hub in a thread: download, resume, pins, tokens, offline, and every refusal."""

import json

import pytest
import torch
from huggingface_hub import constants

from minijepa import load
from minijepa.hub import DownloadError, fetch
from tests.unit.hub_in_a_box import Hub, point_client_at, serve
from tests.unit.model import tiny_released as tiny

NAME = "facebook/vjepa2-tiny"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    found = Hub()
    server = serve(found)
    point_client_at(found, tmp_path / "cache", monkeypatch)
    found.server = server
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def made(hub, tmp_path):
    """Push a tiny model and give its networks."""
    networks = tiny.networks()
    hub.push(NAME, tiny.files_of(tiny.folder_of(networks, tmp_path / "made")))
    return networks


def leftovers(folder) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith((".incomplete", ".part"))]


def test_download_and_load(hub, made):
    assert tiny.same_weights(load(NAME), made[0]) and tiny.same_weights(load(NAME, "predictor"), made[1])
    assert all("authorization" not in headers for _, _, headers in hub.requests)


def test_what_is_cached_needs_no_network(hub, made):
    load(NAME)
    hub.server.shutdown()
    hub.server.server_close()
    assert tiny.same_weights(load(NAME, offline=True), made[0])
    assert tiny.same_weights(load(NAME), made[0]), "without offline=True the cache is not used when the network is gone"


def test_the_offline_variable_of_the_hub_is_obeyed(hub, made, monkeypatch):
    load(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    count = len(hub.requests)
    assert tiny.same_weights(load(NAME), made[0]) and len(hub.requests) == count


def test_a_broken_connection_is_resumed(hub, made, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # 10 MB otherwise: it resumes at whole chunks
    hub.faults.break_after, hub.faults.breaks = 20_000, 2
    assert tiny.same_weights(load(NAME), made[0])
    assert hub.ranges() == ["bytes=20000-", "bytes=40000-"] and not leftovers(tmp_path)


def test_a_connection_that_always_breaks_leaves_nothing_half_written(hub, made, tmp_path):
    hub.faults.break_after, hub.faults.breaks = 0, 100
    with pytest.raises(DownloadError, match="try again"):
        load(NAME)
    assert not leftovers(tmp_path)
    hub.faults.breaks = 0
    assert tiny.same_weights(load(NAME), made[0])


def test_a_revision_stays_what_it_was(hub, made, tmp_path):
    first = hub.branches[f"{NAME}@main"]
    newer = tiny.networks(seed=1)
    hub.push(NAME, tiny.files_of(tiny.folder_of(newer, tmp_path / "newer")))
    assert tiny.same_weights(load(NAME, revision=first), made[0])
    assert tiny.same_weights(load(NAME), newer[0])
    assert tiny.same_weights(load(NAME, revision=first, offline=True), made[0])


def test_a_token_opens_a_gated_repository(hub, made):
    hub.gated[NAME] = "secret"
    with pytest.raises(DownloadError, match="gated repository; accept its terms .* token="):
        load(NAME)
    assert tiny.same_weights(load(NAME, token="secret"), made[0])
    assert hub.requests[-1][2]["authorization"] == "Bearer secret"


def test_shards(hub, made, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "made"
    state = load_file(folder / "model.safetensors")
    halves = {"model-1.safetensors": list(state)[::2], "model-2.safetensors": list(state)[1::2]}
    for name, keys in halves.items():
        save_file({key: state[key] for key in keys}, folder / name)
    (folder / "model.safetensors").unlink()
    weight_map = {key: name for name, keys in halves.items() for key in keys}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    hub.push(NAME, tiny.files_of(folder))
    assert tiny.same_weights(load(NAME), made[0]) and tiny.same_weights(load(NAME, offline=True), made[0])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: load("facebook/none"), "expected a repository, got none .* check its name"),
        (lambda: load(NAME, revision="v9"), r"tiny at v9: expected a revision of it, got none"),
        (lambda: load("facebook/never-seen", offline=True), "the cache or from the network, got neither"),
        (lambda: load("vitl.pt", offline=True), r"vitl\.pt: expected it in the cache or from the network, got neither"),
        (lambda: load("vitl.pt"), r"vitl\.pt: .* got 404"),
        (lambda: load("a--b/c"), "a--b/c at main: expected owner/name"),
    ],
)
def test_refusals(hub, made, call, words, tmp_path):
    with pytest.raises(DownloadError, match=words):
        call()
    assert not leftovers(tmp_path)


def test_a_repository_without_weights(hub, made):
    hub.push(NAME, {"config.json": b"{}"})
    with pytest.raises(DownloadError, match="expected config.json and safetensors.*got 404"):
        load(NAME)
    hub.push(NAME, {"model.safetensors": b"x"})
    with pytest.raises(DownloadError, match="expected config.json and safetensors.*got 404"):
        load(NAME)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_that_is_down_and_nothing_cached(hub, made, status):
    hub.faults.status = status
    with pytest.raises(DownloadError, match="expected it in the cache or from the network, got neither"):
        load(NAME)
    with pytest.raises(DownloadError, match=r"vitl\.pt: expected"):
        load("vitl.pt")


def test_no_network_and_nothing_cached(hub, made):
    hub.server.shutdown()
    hub.server.server_close()
    for name in (NAME, "vitl.pt"):
        with pytest.raises(DownloadError, match="go online.* or fetch it elsewhere"):
            load(name)


def test_a_hub_that_never_answers_is_given_up(hub, made, monkeypatch):
    hub.faults.silent = True
    asked = []
    monkeypatch.setattr("minijepa.hub.SECONDS", 0.5)
    for name in (NAME, "vitl.pt"):
        with pytest.raises(DownloadError):
            load(name)
        asked.append(len(hub.requests))
    assert asked == [1, 2]


def official_file(hub, made) -> str:
    hub.original["vitl.pt"] = tiny.pickled(tiny.original(made))
    return "vitl.pt"


def test_an_original_file_is_downloaded_once(hub, made, tmp_path):
    name = official_file(hub, made)
    path = fetch(name)
    assert path == tmp_path / "cache" / "minijepa" / "vitl.pt" and path.read_bytes() == hub.original[name]
    count = len(hub.requests)
    assert fetch(name) == fetch(hub.address + "/vjepa2/vitl.pt") == fetch(name, offline=True) == path
    assert len(hub.requests) == count and not leftovers(tmp_path)
    assert tiny.same_weights(load(name, weights="online", config=tiny.ENCODER), made[0])


def test_an_original_file_goes_on_where_the_last_call_stopped(hub, made, tmp_path):
    name = official_file(hub, made)
    hub.faults.break_after, hub.faults.breaks = 30_000, 1
    half = hub.original[name][:30_000]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.file_download.http_get", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(name)
    (part,) = (tmp_path / "cache" / "minijepa").iterdir()
    assert part.name.endswith(".part") and part.read_bytes() == half
    assert fetch(name).read_bytes() == hub.original[name] and hub.ranges() == ["bytes=30000-"]
    assert not leftovers(tmp_path)


def interrupted(url, file, resume_size, expected_size, displayed_filename):
    """Take the first bytes from the server, as the client would, and be stopped by the user."""
    import urllib.request

    with urllib.request.urlopen(url) as answer:
        file.write(answer.read(30_000))
    raise KeyboardInterrupt


def test_another_version_does_not_go_on_with_old_bytes(hub, made, tmp_path):
    name = official_file(hub, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.file_download.http_get", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(name)
    hub.original[name] = tiny.pickled(tiny.original(tiny.networks(seed=1)))
    assert fetch(name).read_bytes() == hub.original[name] and hub.ranges() == []


def test_paths_are_never_looked_for_in_the_network(hub, tmp_path):
    for name in (str(tmp_path / "x.pt"), "./runs/encoder", "runs/encoder.safetensors", tmp_path / "x"):
        with pytest.raises(FileNotFoundError, match="is the path right"):
            load(name)
    assert not hub.requests


def test_what_lies_at_the_path_comes_first(hub, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vitl.pt").write_bytes(tiny.pickled(tiny.original(made)))
    torch.save({}, tmp_path / "other.pt")
    assert fetch("vitl.pt").read_bytes() and not hub.requests
