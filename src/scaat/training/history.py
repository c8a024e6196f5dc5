"""The training curves of a run, epoch by epoch, from its logs."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

LOGS = Path("logs") / "csv"
_EPOCH = "_epoch"


def read_history(folder: Path) -> dict[str, Any] | None:
    """Return what was logged at each epoch's end.

    Args:
        folder: of a trained model, as `scaat.training.fit` writes it. A run that was resumed has
            a log for each start; where two speak of one epoch the later one counts.

    Returns:
        ``epoch``, the epochs' numbers from 1 on, and ``curves``: by name a list with a number, or
        None where it was not logged, for each epoch. None if the folder has no logs.
    """
    starts = sorted((folder / LOGS).glob("version_*/metrics.csv"), key=_version)
    epochs: dict[int, dict[str, float]] = {}
    for path in starts:
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                ended = {
                    key.removesuffix(_EPOCH): float(text)
                    for key, text in line.items()
                    if _of_epoch(key, text) and math.isfinite(float(text))
                }
                epochs.setdefault(int(line["epoch"]) + 1, {}).update(ended)
    epochs = {epoch: values for epoch, values in sorted(epochs.items()) if values}
    if not epochs:
        return None
    names = sorted({name for values in epochs.values() for name in values})
    return {
        "epoch": list(epochs),
        "curves": {name: [values.get(name) for values in epochs.values()] for name in names},
    }


def _of_epoch(key: str, text: str) -> bool:
    return bool(text) and (key.endswith(_EPOCH) or key.startswith("val_"))


def _version(path: Path) -> int:
    return int(path.parent.name.rpartition("_")[2])
