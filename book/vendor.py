"""Fetch the two JavaScript libraries of the book once, so that its pages ask nothing from outside: `python book/vendor.py`.

MathJax sets the formulas; RequireJS and the widget manager draw committed ipywidgets. None of them is on the Python index in
a usable form: the one wheel with MathJax holds version 3 of 2022, and the widget manager is in none. So they come from the npm
registry through npm itself, each pinned by version and SHA-512, and stay out of the repository.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).parent / "_vendor"  # static/ is copied to the site's _static, extra/ to its top
STAMP = "pinned.json"


class VendorError(RuntimeError):
    """Say why a library could not be fetched, and what to do."""


@dataclass(frozen=True)
class Package:
    """Pin one npm package and say which of its files the book needs."""

    name: str
    version: str
    sha512: str  # base64, of the tarball
    files: tuple[tuple[str, str], ...]  # (pattern in the package, file or folder/ under _vendor)


MATHJAX = Package(
    "mathjax",
    "4.1.3",
    "BN/8Pkgn7G1pIDYJqd9md+JHsE/jydSYbyOZnSdSA0WziuVO8mRxdYiWFumkVVly/8U+hm9DpIIoWuvySverzw==",
    (
        ("tex-mml-svg.js", "static/vendor/mathjax/tex-mml-svg.js"),
        ("input/tex/extensions/*.js", "static/vendor/mathjax/input/tex/extensions/"),
        ("LICENSE", "static/vendor/mathjax/LICENSE"),
    ),
)
MATHJAX_FONT = Package(
    "@mathjax/mathjax-newcm-font",
    "4.1.3",
    "gzAB3dFHilHX1l5x2xUqRL+1jDQt3Fyza1DkEMVXWC4E8SvsGdlgEza47HYi2WhVcgfkvf4zgUGzuhbq3Pjlew==",
    (("svg/dynamic/*.js", "static/vendor/mathjax/fonts/svg/dynamic/"),),
)
REQUIREJS = Package(
    "requirejs",
    "2.3.8",
    "7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
    (("require.js", "static/vendor/require.js"),),
)
WIDGETS = Package(
    "@jupyter-widgets/html-manager",
    "1.0.15",
    "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    (
        ("dist/embed-amd.js", "static/vendor/embed-amd.js"),
        ("dist/embed.js.LICENSE.txt", "static/vendor/embed-amd.LICENSE.txt"),
        # icons: the manager looks for them beside the page that holds the widget, and widgets are in chapters only
        ("dist/*.woff2", "extra/chapters/@jupyter-widgets/html-manager/dist/"),
    ),
)
PACKAGES = (MATHJAX, MATHJAX_FONT, REQUIREJS, WIDGETS)


def vendor(folder: Path = FOLDER, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Fill the folder unless it already holds exactly these packages; it appears whole or not at all.

    Returns: True if something was fetched.
    Raises: VendorError if npm is missing, the registry does not answer, or a tarball is not the pinned one.
    """
    pinned = {package.name: [package.version, package.sha512, [list(pair) for pair in package.files]] for package in packages}
    stamp = folder / STAMP
    if stamp.is_file() and json.loads(stamp.read_text()) == pinned:
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError(
            "expected npm on the PATH to fetch MathJax and the widget manager once, found none: "
            "run scripts/system-packages (Debian and Ubuntu: apt-get install npm; macOS: brew install node) and then this again"
        )
    part = Path(tempfile.mkdtemp(prefix="_vendor.part", dir=folder.parent))
    try:
        for package in packages:
            _unpack(package, _fetch(npm, package, part), part)
        (part / STAMP).write_text(json.dumps(pinned, indent=1))
        part.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


def _fetch(npm: str, package: Package, folder: Path) -> Path:
    wanted = f"{package.name}@{package.version}"
    command = [npm, "pack", wanted, "--json", "--fetch-retries=1", "--fetch-timeout=120000"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = "\n  ".join(line for line in done.stderr.splitlines() if "warn" not in line)[:600]
        raise VendorError(
            f"expected npm to fetch {wanted}, it failed:\n  {reason}\n"
            "the book needs it once, later builds are offline: check the network and `npm ping`, then run this again"
        )
    tarball = folder / json.loads(done.stdout)[0]["filename"]
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise VendorError(f"expected {wanted} with sha512 {package.sha512}, got {found}: do not use it, report it")
    return tarball


def _unpack(package: Package, tarball: Path, folder: Path) -> None:
    with tarfile.open(tarball) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        for source, goal in package.files:
            chosen = [m for m in members if PurePosixPath(m.name).match(f"package/{source}")]
            if not chosen:
                raise VendorError(f"expected {source} in {package.name} {package.version}, found none: the pin is wrong")
            for member in chosen:
                place = folder / (goal + PurePosixPath(member.name).name if goal.endswith("/") else goal)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.extractfile(member).read())
    tarball.unlink()


if __name__ == "__main__":
    try:
        vendor()
    except VendorError as error:
        sys.exit(f"book/vendor.py: {error}")
