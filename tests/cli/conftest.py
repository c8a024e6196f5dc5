from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from scaat.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def scaat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; returns its status and what it said."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["scaat", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.err if status else said.out

    return run
