"""The standard training that an accuracy budget is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaat.errors import InputError
from scaat.objectives import objective_options, objectives
from scaat.training.logs import read_history

FOLDER = "reference"
"""Inside a training's folder, the standard training that `fit` makes where none is given."""


def keeps_budget(method: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a method keeps an accuracy budget: its weight is not given.

    Args:
        method: Name of the objective.
        options: Its keyword arguments.
    """
    known = objective_options(objectives[method])
    if not {"accuracy_budget", "reference"} <= known.keys():
        return False
    return options.get("weight") is None and options.get("reference") is None


def reference_curve(
    folder: Path,
    summary: Mapping[str, Any],
    architecture: Mapping[str, Any],
    *,
    wanted: Mapping[str, Any],
    epochs: int,
) -> list[float]:
    """Return the mean training cross-entropy, in nats, of each epoch of a standard training.

    Args:
        folder: Of the standard training, as `fit` writes it.
        summary: Its ``training.json``.
        architecture: Its model's.
        wanted: The architecture of the model that is to be trained; the data's size, classes and
            statistics are part of it.
        epochs: Of the training that is to be compared.

    Raises:
        InputError: It is a training by another method, of another network or data, or of
            another length.
    """
    method = summary.get("method", "standard")  # absent in files of earlier versions
    if method != "standard":
        raise InputError(
            f"reference {str(folder)!r} was trained by {method!r}, expected a standard training"
        )
    for name, value in wanted.items():
        if architecture.get(name) != value:
            raise InputError(
                f"reference {str(folder)!r} has {name} {architecture.get(name)!r:.60}, expected "
                f"{value!r:.60}: the same network and data as this training"
            )
    history = read_history(folder)
    curve = [] if history is None else history["curves"].get("cross_entropy", [])
    if len(curve) != epochs or None in curve:
        raise InputError(
            f"reference {str(folder)!r} has the cross-entropy of {len(curve)} epochs, expected "
            f"{epochs}, as many as this training has"
        )
    return curve
