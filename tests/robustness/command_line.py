"""The command line inside this process, and what no input may do to it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from scaat.cli.commands import run


@dataclass(frozen=True)
class Done:
    """How a command ended: its status and what it said on standard error."""

    status: int
    said: str


def scaat(*arguments: object) -> Done:
    """Run a command as the shell would; an exception other than an exit is a traceback."""
    said = io.StringIO()
    status = 0
    argv = ["scaat", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            run()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
    return Done(status, said.getvalue())


def in_words(done: Done) -> None:
    """Check that a failure was told in words, not by a traceback or in silence."""
    assert done.status in (0, 1, 2), done
    assert "Traceback" not in done.said, done.said
    if done.status:
        error = done.said[done.said.lower().rfind("error:") :]
        assert len(error.split()) > 3, done
        assert len(error) < 2500, done


@contextmanager
def nothing_lost(*folders: Path) -> Iterator[None]:
    """Check that every file in some folders is as it was, and that no half-written one stays."""
    before = {folder: _content(folder) for folder in folders}
    yield
    for folder, content in before.items():
        after = _content(folder)
        assert {name: after.get(name) for name in content} == content
        assert not [name for name in after if name.endswith(".part")]


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
