"""A Hugging Face hub in a thread: enough of its protocol for the real client, with faults that can be asked for."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from huggingface_hub import constants


@dataclass
class Faults:
    """Say what goes wrong, and from when on."""

    break_after: int | None = None  # bytes of a file, after which the connection breaks …
    breaks: int = 0  # … so many times
    silent: bool = False  # take a request and never answer
    status: int | None = None  # answer everything with this


@dataclass
class Hub:
    """Hold repositories as {name: {commit: {file: bytes}}} with their branches, and the requests that came."""

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)  # "owner/name@main": commit
    gated: dict[str, str] = field(default_factory=dict)  # repository: the token that opens it
    original: dict[str, bytes] = field(default_factory=dict)  # files under /vjepa2/
    faults: Faults = field(default_factory=Faults)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    address: str = ""

    def push(self, repository: str, files: dict[str, bytes]) -> str:
        """Add a commit to a repository's main branch; return its name."""
        commit = hashlib.sha1(json.dumps({k: hashlib.sha1(v).hexdigest() for k, v in files.items()}).encode()).hexdigest()
        self.repositories.setdefault(repository, {})[commit] = files
        self.branches[f"{repository}@main"] = commit
        return commit

    def ranges(self) -> list[str]:
        """List the ranges of bytes that were asked for."""
        return [headers["range"] for method, _, headers in self.requests if method == "GET" and "range" in headers]


def handler_for(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):  # noqa: N802
            self.answer()

        def do_GET(self):  # noqa: N802
            self.answer()

        def answer(self):
            headers = {key.lower(): value for key, value in self.headers.items()}
            hub.requests.append((self.command, self.path, headers))
            if hub.faults.silent:
                time.sleep(30)
                self.close_connection = True
                return
            if hub.faults.status:
                return self.send(hub.faults.status, b"")
            path = self.path.lstrip("/").split("?")[0]
            if path.startswith("vjepa2/"):
                return self.send_file(hub.original.get(path.removeprefix("vjepa2/")), {})
            owner, name, _, revision, file = path.split("/", 4)
            repository = f"{owner}/{name}"
            if repository not in hub.repositories:
                return self.send(401, b"", {"X-Error-Code": "RepoNotFound"})
            if repository in hub.gated and headers.get("authorization") != f"Bearer {hub.gated[repository]}":
                return self.send(403, b"", {"X-Error-Code": "GatedRepo"})
            commit = hub.branches.get(f"{repository}@{revision}", revision)
            if commit not in hub.repositories[repository]:
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            self.send_file(hub.repositories[repository][commit].get(file), {"X-Repo-Commit": commit})

        def send_file(self, content: bytes | None, extra: dict[str, str]):
            if content is None:
                return self.send(404, b"", extra | {"X-Error-Code": "EntryNotFound"})
            extra |= {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "Accept-Ranges": "bytes"}
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            if start:
                extra |= {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self.send(206 if start else 200, content[start:], extra)

        def send(self, status: int, content: bytes, extra: dict[str, str] | None = None):
            self.send_response(status)
            for key, value in (extra or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            limit = hub.faults.break_after
            if limit is not None and hub.faults.breaks and len(content) > limit:
                hub.faults.breaks -= 1
                self.wfile.write(content[:limit])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(content)

    return Handler


def serve(hub: Hub) -> ThreadingHTTPServer:
    """Start serving a hub; the caller shuts it down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def point_client_at(hub: Hub, cache, monkeypatch) -> None:
    """Make the real client talk to this hub and keep its files in this folder, with the network allowed."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(constants, "HF_HOME", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("minijepa.hub.OFFICIAL", hub.address + "/vjepa2/")
    for module in ("huggingface_hub.file_download", "huggingface_hub.utils._http"):  # the client waits between attempts
        monkeypatch.setattr(f"{module}.time.sleep", lambda seconds: None)
