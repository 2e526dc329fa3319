"""Fetch released files: repositories through huggingface-hub, the original checkpoints from Meta's public address.

huggingface-hub keeps the cache, the token, the progress bar, the time-outs and the offline mode (HF_HOME, HF_TOKEN,
HF_HUB_OFFLINE). Its import takes a fifth of a second, so it is left to the functions that fetch. The original files go
to ``$HF_HOME/minijepa``; a download that was stopped goes on where it was.
"""

import json
import os
import re
from pathlib import Path

from minijepa.config import RELEASED

OFFICIAL = "https://dl.fbaipublicfiles.com/vjepa2/"
SECONDS = 10  # that a server may take to answer
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"  # the last if sharded
NO_NETWORK = "expected it in the cache or from the network, got neither; go online, or fetch it elsewhere and load its path"


class DownloadError(OSError):
    """Report a file that could not be had: which, why, and the way out."""


def fetch(name: str | Path, revision: str | None = None, offline: bool = False, token: str | None = None) -> Path:
    """Return the path that a name stands for: what lies there, else a released file, else a repository "owner/name".

    A Path, and a string that ends like a file or begins with . or /, is never looked for in the network.
    """
    text = str(name).removeprefix(OFFICIAL)
    if isinstance(name, str) and not Path(name).exists():
        if text in RELEASED and text.endswith(".pt"):
            return fetch_official(text, offline)
        if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) and not text.endswith((".pt", ".pth", ".safetensors")):
            return fetch_repository(text, revision, offline, token)
    return Path(name)


def fetch_repository(repository: str, revision: str | None = None, offline: bool = False, token: str | None = None) -> Path:
    """Return the folder with config.json and all weights of a repository, downloaded unless the cache has them.

    revision: a branch, tag or commit; None: main. offline: use the cache and nothing else, as happens without a network.
    Raises DownloadError: no network and nothing cached, no such repository or revision, gated, broken on the way.
    """

    from huggingface_hub import errors, hf_hub_download, hf_hub_url

    def cached(file: str, commit: str | None) -> Path:
        return Path(hf_hub_download(repository, file, revision=commit, token=token, local_files_only=offline))

    try:
        offline = offline or not answers(hf_hub_url(repository, CONFIG, revision=revision), token)
        folder = cached(CONFIG, revision).parent
        commit = folder.name  # of all files, should somebody push meanwhile
        try:
            cached(WEIGHTS, commit)
        except errors.EntryNotFoundError:
            shards = json.loads(cached(INDEX, commit).read_text(encoding="utf-8"))["weight_map"]
            for shard in sorted(set(shards.values())):
                cached(shard, commit)
    except (errors.HTTPError, errors.HFValidationError, OSError, ValueError, LookupError) as error:
        raise DownloadError(f"{repository} at {revision or 'main'}: {reason(error)}") from error
    return folder


def answers(address: str, token: str | None) -> bool:
    """Ask once, for 10 seconds, whether the network has this file; raise the hub's error if it refuses."""
    from huggingface_hub import errors, get_hf_file_metadata

    try:
        get_hf_file_metadata(address, token=token, timeout=SECONDS)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError):
        raise
    except (errors.HTTPError, OSError):
        return False  # no network, or the hub is down: what is cached will do
    return True


def fetch_official(name: str, offline: bool = False) -> Path:
    """Return an original file such as "vitl.pt" from the cache, or download it: beside its place first, then renamed.

    Raises DownloadError as ``fetch_repository`` does; what has arrived is kept, and the next call goes on from there.
    """
    from huggingface_hub import constants, errors, get_hf_file_metadata
    from huggingface_hub.file_download import http_get

    path = Path(constants.HF_HOME) / "minijepa" / name
    if path.is_file():
        return path
    try:
        if offline:
            raise errors.OfflineModeIsEnabled("offline=True")
        found = get_hf_file_metadata(OFFICIAL + name, token=False, timeout=SECONDS)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{found.etag}.part")  # another version never goes on with this one's bytes
        with part.open("ab") as file:
            http_get(found.location, file, resume_size=file.tell(), expected_size=found.size, displayed_filename=name)
        os.replace(part, path)
    except (errors.HTTPError, OSError) as error:
        raise DownloadError(f"{OFFICIAL}{name}: {reason(error)}") from error
    return path


def reason(error: BaseException) -> str:
    """Say why a download failed, and the way out."""
    from huggingface_hub import errors

    reasons = (
        (errors.GatedRepoError, "expected access, got a gated repository; accept its terms on its page, then pass token=..."),
        (
            errors.RepositoryNotFoundError,
            "expected a repository, got none that this token may see; check its name and the token",
        ),
        (
            errors.RevisionNotFoundError,
            "expected a revision of it, got none; leave it out, or name a commit of its page",
        ),
        (
            errors.RemoteEntryNotFoundError,
            "expected config.json and safetensors, or an original file, got 404; is it V-JEPA 2?",
        ),
        (
            errors.HFValidationError,
            "expected owner/name of a repository, or a path; one that starts with ./ is never looked for",
        ),
        ((errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled), NO_NETWORK),
    )
    said = next((text for kind, text in reasons if isinstance(error, kind) or isinstance(error.__cause__, kind)), None)
    return said or f"expected a whole download, got {str(error).strip()}; go online and try again, or fetch it elsewhere"
