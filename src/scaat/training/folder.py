"""The folder of a run: which run it belongs to, and one training in it at a time."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scaat.data import DataOptions
from scaat.errors import InputError, WriteError
from scaat.files import read_yaml, write_yaml
from scaat.objectives import objective_options, objectives
from scaat.options.training import TrainingOptions
from scaat.training.checkpoint import FOLDER as CHECKPOINTS

CONFIG = "config.yaml"

OPERATIONAL = ("training.workers", "training.checkpoint_every")
"""Settings that change how a run executes, but none of its results."""


def open_folder(folder: Path, config: dict[str, Any], *, resume: bool) -> None:
    """Claim ``folder`` for the run that ``config`` describes, and write the configuration there.

    Args:
        folder: Made if need be.
        config: The resolved configuration, of plain values.
        resume: Continue the run that the folder holds; `OPERATIONAL` settings may differ, and
            an option that the version which wrote it did not have counts as its default.

    Raises:
        InputError: The folder holds another run, other files, or (to resume) none.
    """
    path = folder / CONFIG
    if folder.exists() and not folder.is_dir():
        raise InputError(f"output {str(folder)!r} is a file, expected a folder")
    if resume:
        if not path.is_file():
            raise InputError(
                f"folder {str(folder)!r} has no {CONFIG}, so there is no run to resume"
            )
        if difference := _first_difference(read_config(folder), config):
            raise InputError(
                f"folder {str(folder)!r} holds a run with other settings: {difference}"
            )
        return
    if path.exists():
        raise InputError(
            f"folder {str(folder)!r} holds a run already: give another output folder, or resume "
            "that run"
        )
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"folder {str(folder)!r} holds files that are not of a run: give a new or empty one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(path, config)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration of the run in ``folder``; `InputError` without one."""
    path = folder / CONFIG
    try:
        config = read_yaml(path)
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error.strerror}): expected the folder of a run"
        ) from error
    if not isinstance(config, dict):
        raise InputError(f"{str(path)!r} holds no settings, expected the configuration of a run")
    return config


def _first_difference(recorded: Any, wanted: Any, name: str = "") -> str | None:
    """Describe the first setting in which two configurations differ."""
    if name in OPERATIONAL:
        return None
    if isinstance(recorded, dict) and isinstance(wanted, dict):
        for key in [*wanted, *(key for key in recorded if key not in wanted)]:
            inner = f"{name}.{key}" if name else str(key)
            if key not in recorded and wanted[key] == _default(inner):
                continue  # a version without the option did what its default does
            if difference := _first_difference(recorded.get(key), wanted.get(key), inner):
                return difference
        return None
    return None if recorded == wanted else f"{name} is {recorded!r} there and {wanted!r} now"


def _default(name: str) -> Any:
    """Return the default of an option of the data, the training or a method, by its place."""
    section, *rest = name.split(".")
    if section in ("data", "training") and len(rest) == 1:
        options = DataOptions if section == "data" else TrainingOptions
        return getattr(options(), rest[0], None)
    if section == "objectives" and len(rest) == 2 and rest[0] in objectives:
        known = objective_options(objectives[rest[0]])
        return known[rest[1]].default if rest[1] in known else None
    return None


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Keep other processes from training in ``folder``, where they would remove checkpoints.

    The system lets go when this process ends, however it ends, also where processes that it started
    live on. On Windows, and on file systems without locks, nobody is kept out.

    Raises:
        InputError: Another process trains there.
        WriteError: The folder cannot be written.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = folder / CHECKPOINTS / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise WriteError(f"{str(path)!r} cannot be written ({error.strerror})") from error
    with file:
        try:
            # POSIX's kind: flock's would be held by workers that outlive a killed process.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):  # others: no locks in this file system
                raise InputError(
                    f"folder {str(folder)!r} is in use: another process is training there; wait "
                    "until it ends, or stop it"
                ) from None
        yield
