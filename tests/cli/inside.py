"""The command line inside this process, with both of its streams."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import numpy as np
from PIL import Image

from scaat.cli.commands import run


@dataclass(frozen=True)
class Done:
    """How a command ended: its status and what it said."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What ``--json`` printed; anything else beside it is no JSON."""
        return json.loads(self.out)


def scaat(*arguments: object, on_warning: Literal["error", "ignore"] = "error") -> Done:
    """Run a command as the shell would; by default a warning that reaches a user fails the test."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with (
        mock.patch.object(sys, "argv", ["scaat", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter(on_warning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            run()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
    return Done(status, out.getvalue(), err.getvalue())


def write_images(
    folder: Path, *classes: tuple[str, int], size: tuple[int, int] = (12, 12), seed: int = 0
) -> Path:
    """Write random colour images, so many of each class; size is height and width."""
    rng = np.random.default_rng(seed)
    for name, count in classes:
        for number in range(count):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return folder
