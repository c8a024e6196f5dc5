"""Write the results of a run, with what they were computed on."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scaat.files import json_text, replacing, write_text
from scaat.hardware import cpu_name

PACKAGES = ("scaat", "torchvision", "lightning", "captum", "numpy", "pillow")


def environment(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """Return the versions of what decides the numbers, the platform, the hardware and the date.

    No host name, user name or path is in it, so it can be published.
    """
    device = torch.device(device)
    return {
        **{name: _version(name) for name in PACKAGES},
        "torch": str(torch.__version__),  # with its CUDA build, which the metadata lacks
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


SCHEMA = 1

Arrays = Mapping[str, NDArray[Any]]


def write_results(
    folder: Path,
    *,
    rows: Sequence[Mapping[str, Any]],
    per_image: Sequence[Arrays],
    examples: Arrays,
    example_maps: Sequence[Arrays],
    environment: Mapping[str, Any],
    classes: Sequence[str],
    settings: Mapping[str, Any],
    trainings: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write ``per_image.npz``, ``examples.npz`` and, last, ``results.json`` into ``folder``.

    Each file is written beside its place and then renamed, so it is whole or not there; a
    ``results.json`` means that all three are there.

    Args:
        folder: made if missing.
        rows: one for each (data, model, method, attribution): the ``metrics`` of an
            `AttributionResult` with ``data``, ``model``, ``method``, ``attribution``, ``seed``,
            ``train_seconds``, ``cost_ratio`` and ``settings`` added.
        per_image: for each row the ``per_image`` of an `AttributionResult` and the ``answers`` of
            an `Evaluation`; stored as ``"{row number}/{name}"``.
        examples: those of an `Evaluation`.
        example_maps: for each row those of an `AttributionResult` and, where the method has a
            proportion, the arrays of `ordered_samples`; stored likewise.
        environment: as `scaat.evaluation.environment` returns it.
        classes: the name of each class.
        settings: the run's resolved configuration, JSON values.
        trainings: for each trained model ``data``, ``model``, ``method`` and ``seed``, and
            ``epoch`` and ``curves`` as `scaat.training.read_history` returns them.

    Returns:
        The path of ``results.json``.

    Raises:
        ValueError: a number for ``results.json`` is not finite, or the numbers of rows differ.
    """
    if not len(rows) == len(per_image) == len(example_maps):
        raise ValueError(
            f"{len(rows)} rows, {len(per_image)} of per-image values and {len(example_maps)} of "
            "example maps; expected as many of each"
        )
    # First, as it may fail: nothing is written then.
    text = json_text(
        {
            "schema": SCHEMA,
            "environment": dict(environment),
            "rows": [dict(row) for row in rows],
            "classes": list(classes),
            "settings": dict(settings),
            "trainings": [dict(training) for training in trainings],
        }
    )
    numbered, shown = _numbered(per_image), {**examples, **_numbered(example_maps)}
    for name, arrays in (("per_image.npz", numbered), ("examples.npz", shown)):
        # Through a file object, since NumPy would append its suffix to the name.
        with replacing(folder / name) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
    path = folder / "results.json"
    write_text(path, text)
    return path


def _numbered(rows: Sequence[Arrays]) -> dict[str, Any]:
    return {f"{i}/{name}": array for i, row in enumerate(rows) for name, array in row.items()}
