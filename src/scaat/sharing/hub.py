"""Shared folders to and from a hub, by its own library."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from scaat.errors import InputError, WriteError
from scaat.sharing.files import CONFIG, PROPORTION, WEIGHTS, is_shared, load_shared

FILES = (CONFIG, WEIGHTS, PROPORTION, "README.md", "figures/*.png")
"""All that is sent or fetched; nothing that could be code."""


def push(folder: Path | str, repo_id: str, *, private: bool = False) -> str:
    """Send a shared folder to a hub, into a repository that is made if it is missing.

    Token, address and cache are those of ``huggingface_hub`` (``hf auth login``, ``HF_TOKEN``,
    ``HF_ENDPOINT``).

    Args:
        folder: As `share_run` or `save_shared` wrote it; it is read and checked first.
        repo_id: ``user/name``.
        private: Whether a repository that is made is private.

    Returns:
        The address of the commit.

    Raises:
        InputError: The folder holds no whole shared model, the name is none of a hub's, or the
            package huggingface_hub is missing.
        WriteError: The hub cannot be reached or refuses; the sentence holds its reason.
    """
    hub = _library()
    check_repo_id(repo_id)
    load_shared(folder)
    try:
        hub.create_repo(repo_id, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=list(FILES),
            commit_message="Model shared with scaat",
        )
    except Exception as error:  # of the hub's library and of those that it sends with
        raise WriteError(f"{repo_id!r} cannot be sent ({_reason(error)})") from error
    return str(getattr(commit, "commit_url", commit))


def pull(source: Path | str, *, revision: str | None = None) -> Path:
    """Return a shared folder: a local one as it is, or one fetched from a hub into its cache.

    Fetched are the model's files, the card and its figures, whatever else the repository holds.

    Args:
        source: A folder, or ``user/name`` on a hub where there is no such folder.
        revision: Branch, tag or commit on the hub; its main branch if not given.

    Raises:
        InputError: There is no such folder or repository, it holds no shared model, the hub
            cannot be reached, or the package huggingface_hub is missing.
    """
    folder, name = Path(source), str(source)
    if folder.is_dir() and revision is not None:
        raise InputError(
            f"revision {revision!r} goes with a hub's repository, found a folder: {name}"
        )
    if not folder.is_dir():
        if not _is_repo_id(name):
            raise InputError(f"{name!r} is neither a folder nor user/name on a hub")
        hub = _library()
        try:
            place = hub.snapshot_download(name, revision=revision, allow_patterns=list(FILES))
        except Exception as error:  # of the hub's library and of those that it fetches with
            raise InputError(
                f"{name!r} is no folder, and cannot be fetched from the hub ({_reason(error)})"
            ) from error
        folder = Path(place)
    if not is_shared(folder):
        raise InputError(f"{name!r} holds no shared model; expected {CONFIG} and {WEIGHTS} in it")
    return folder


def check_repo_id(repo_id: str) -> None:
    """Refuse what cannot be the name of a repository on a hub."""
    if not _is_repo_id(repo_id):
        raise InputError(f"repository {repo_id!r} is no name on a hub, expected user/name")


def check_licence(licence: str) -> None:
    """Refuse what cannot be a hub's name of a licence."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", licence):
        raise InputError(
            f"licence {licence!r} is no name of a hub's, expected one such as apache-2.0, mit or "
            "other"
        )


def _is_repo_id(text: str) -> bool:
    part = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
    return re.fullmatch(f"{part}/{part}", text) is not None and not re.search(r"\.\.|--", text)


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise InputError(
            "a hub needs the package huggingface_hub (pip install huggingface_hub)"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
