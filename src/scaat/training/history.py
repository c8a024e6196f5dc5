"""The training curves of a run, epoch by epoch, from its logs."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from scaat.training.logs import EPOCHS, FOLDER

_NOT_CURVES = ("step", "epoch")


def read_history(folder: Path) -> dict[str, Any] | None:
    """Return what was logged at each epoch's end.

    Args:
        folder: of a trained model, as `scaat.training.fit` writes it.

    Returns:
        ``epoch``, the epochs' numbers from 1 on, and ``curves``: by name a list with a number, or
        None where it was not finite or not there, for each epoch. None if the folder has no logs.
    """
    path = folder / FOLDER / EPOCHS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted(name for name in (rows[0] if rows else ()) if name not in _NOT_CURVES)
    return {
        "epoch": [int(row["epoch"]) for row in rows],
        "curves": {name: [_finite(row[name]) for row in rows] for name in names},
    }


def _finite(text: str) -> float | None:
    value = float(text or "nan")
    return value if math.isfinite(value) else None
