"""A run's folder: which run it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from scaat.data import DataOptions
from scaat.errors import InputError
from scaat.files import read_yaml, write_text
from scaat.objectives import objective_options, objectives
from scaat.options.training import TrainingOptions

CONFIG = "config.yaml"

OPERATIONAL = ("training.workers", "training.checkpoint_every")
"""Settings that change how a run is carried out and none of its results."""


def open_folder(folder: Path, config: dict[str, Any], *, resume: bool) -> None:
    """Claim ``folder`` for the run that ``config`` describes, and write the configuration there.

    Args:
        folder: Made if need be.
        config: The resolved configuration, of plain values.
        resume: Go on with the run that the folder holds; `OPERATIONAL` settings may differ, and
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
    write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


@contextmanager
def claimed_folder(folder: Path, config: dict[str, Any]) -> Iterator[None]:
    """Claim ``folder`` as `open_folder` does, and give it back after an error if it is empty yet.

    For work that cannot be resumed: the same command can then be given again.

    Raises:
        InputError: The folder holds a run or other files.
    """
    existed, ours = folder.exists(), not (folder / CONFIG).exists()
    try:
        open_folder(folder, config, resume=False)  # may be interrupted when its file is there
        yield
    except BaseException:
        with suppress(OSError):
            if ours and [path.name for path in folder.iterdir()] == [CONFIG]:
                (folder / CONFIG).unlink()
                if not existed:
                    folder.rmdir()
        raise


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration of the run in ``folder``.

    Raises:
        InputError: There is none, or it is not YAML.
    """
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


def _first_difference(found: Any, wanted: Any, name: str = "") -> str | None:
    """Return the first setting in which two configurations differ, in words."""
    if name in OPERATIONAL:
        return None
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            inner = f"{name}.{key}" if name else str(key)
            if key not in found and wanted[key] == _default(inner):
                continue  # a version without the option did what its default does
            if difference := _first_difference(found.get(key), wanted.get(key), inner):
                return difference
        return None
    return None if found == wanted else f"{name} is {found!r} there and {wanted!r} now"


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
