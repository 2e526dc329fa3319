"""The book's libraries come whole and as pinned, or not at all; the message says what to do."""

import base64
import dataclasses
import hashlib
import io
import json
import stat
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "book"))
import vendor  # noqa: E402


def tarball():
    """Return the bytes of an npm tarball with two files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("package/main.js", "package/fonts/a.js", "package/fonts/deep/b.js", "package/other.txt"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return buffer.getvalue()


def package(content):
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return vendor.Package("toy", "1.0.0", digest, (("main.js", "static/main.js"), ("fonts/*.js", "static/fonts/")))


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put an npm on the PATH that hands out a tarball, counts its calls, and fails while a file `down` exists."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "toy.tgz").write_bytes(tarball())
    script = folder / "npm"
    script.write_text(
        f"#!/bin/sh\necho x >> {folder}/calls\n"
        f"if [ -e {folder}/down ]; then echo 'npm error code ENOTFOUND' >&2; exit 1; fi\n"
        f'cp {folder}/toy.tgz toy.tgz\necho \'[{{"filename": "toy.tgz"}}]\'\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_fetches_once_and_keeps_only_what_is_asked_for(npm, tmp_path):
    goal = tmp_path / "book" / "_vendor"
    goal.parent.mkdir()
    assert vendor.vendor(goal, (package(tarball()),))
    assert listing(goal) == ["pinned.json", "static/fonts/a.js", "static/main.js"]
    assert not vendor.vendor(goal, (package(tarball()),))
    assert len((npm / "calls").read_text().split()) == 1


def test_another_pin_replaces_the_folder(npm, tmp_path):
    goal = tmp_path / "_vendor"
    vendor.vendor(goal, (package(tarball()),))
    newer = dataclasses.replace(package(tarball()), files=(("other.txt", "static/other.txt"),))
    assert vendor.vendor(goal, (newer,))
    assert listing(goal) == ["pinned.json", "static/other.txt"]


@pytest.mark.parametrize("fault", ["down", "changed", "hole"])
def test_nothing_is_left_behind_when_a_fetch_fails(npm, tmp_path, fault):
    goal, wanted = tmp_path / "book" / "_vendor", package(tarball())
    goal.parent.mkdir()
    if fault == "down":
        (npm / "down").touch()
    elif fault == "changed":
        wanted = package(b"what was pinned")
    else:
        wanted = dataclasses.replace(wanted, files=(("missing.js", "static/missing.js"),))
    with pytest.raises(vendor.VendorError, match={"down": "ENOTFOUND", "changed": "sha512", "hole": "missing.js"}[fault]):
        vendor.vendor(goal, (wanted,))
    assert list(goal.parent.iterdir()) == []


def test_a_missing_npm_is_named_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(vendor.VendorError, match="apt-get install npm"):
        vendor.vendor(tmp_path / "_vendor")


def test_no_registry_is_named_in_what_is_committed():
    texts = [path.read_text() for path in (ROOT / "book").glob("*.py")]
    assert texts and not [text for text in texts if "registry." in text or "://" in text]


def test_pins_are_whole_digests():
    for pinned in vendor.PACKAGES:
        assert len(base64.b64decode(pinned.sha512)) == 64
        assert json.dumps([pinned.name, pinned.version])
