"""One training in a folder at a time."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaat.errors import InputError, WriteError
from scaat.training.checkpoint import FOLDER

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Keep other processes from training in ``folder``.

    A second training there would write over the first one's checkpoints, and remove the files that
    it is about to rename. The system lets go when this process ends, however it ends, also where
    processes that it started live on. On Windows, and on file systems without locks, nobody is
    kept out.

    Raises:
        InputError: Another process trains there.
        WriteError: The folder cannot be written.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = folder / FOLDER / ".lock"
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
            if error.errno in _HELD_BY_ANOTHER:
                raise InputError(
                    f"folder {str(folder)!r} is in use: another process is training there; wait "
                    "until it ends, or stop it"
                ) from None
        yield
