"""Chromium, a JupyterLab server on a copy of the notebooks, and a web server for the book: all on 127.0.0.1, all time-boxed.

Where Chromium is missing the tests are skipped with a line that says what to run; with REQUIRE_BROWSER=1 (as `.ci/run` sets it)
they fail instead.
"""

import functools
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOTS = Path(__file__).parent / "_shots"
BOOK = ROOT / "book" / "_build" / "html"
TOKEN = "minijepa"
SERVER_SECONDS = 90
BROWSERS = [
    "chromium",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
]


def give_up(reason: str):
    (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def chromium():
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if not found:
        give_up("Chromium is missing: scripts/system-packages installs it (on Debian: sudo scripts/system-packages)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Watch:
    """Hold what a page did that it should not: requests that left this machine, errors, missing files."""

    def __init__(self):
        self.external, self.errors, self.missing = [], [], []

    def route(self, route):
        url = route.request.url
        if url.startswith(("http://127.0.0.1", "data:", "blob:", "about:")):
            return route.continue_()
        self.external.append(url)
        return route.abort()

    def response(self, response):
        if response.status >= 400:
            self.missing.append(f"{response.status} {response.url}")

    def console(self, message):
        # A file that did not load is told by `missing`, with its address.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)


@pytest.fixture
def page(chromium):
    """Open a page that can reach 127.0.0.1 only; `page.watch` holds what it did."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, page.watch = context.new_page(), Watch()
    context.route("**/*", page.watch.route)
    page.on("response", page.watch.response)
    page.on("console", page.watch.console)
    page.on("pageerror", lambda error: page.watch.errors.append(str(error)))
    page.set_default_timeout(60_000)
    yield page
    context.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen, log: Path):
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return json.load(urllib.request.urlopen(url, timeout=2))
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"no answer from {url} in {SERVER_SECONDS} s; the server said:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Serve a copy of notebooks/ and data_samples/ with JupyterLab, configured by nobody; give its address."""
    home = tmp_path_factory.mktemp("lab")
    (home / "notebooks").mkdir()
    for name in ("notebooks", "data_samples"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, home / name, dirs_exist_ok=True)
    own = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    port, log = free_port(), home / "server.log"
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={home}", "--LabApp.expose_app_in_browser=True"]
    options += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command = [sys.executable, "-m", "jupyter", "lab", *options]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=home, env=os.environ | own | {"HF_HUB_OFFLINE": "1"}, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", process, log)
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks", home / "notebooks"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def book():
    """Serve the built book; give its address."""
    if not (BOOK / "index.html").exists():
        give_up("the book is not built: run `make book`")
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=BOOK))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
