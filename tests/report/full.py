"""What a results folder may hold beyond the required: every optional metric, curve and array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

METRICS = {
    "robust_accuracy_2": 0.6,
    "robust_accuracy_8": 0.2,
    "calibration_error": 0.04,
    "lattice_fraction": 0.3,
    "blocks_lerf": 0.02,
    "blocks_morf": 0.3,
    "blocks_rel": 15.0,
    "hoyer": 0.6,
    "insertion": 0.7,
    "deletion": 0.2,
    "road": 0.3,
    "pointing_game": 0.8,
    "energy_inside": 0.5,
    "iou": 0.4,
    "max_sensitivity": 0.35,
    "relative_input_stability": 2.0,
    "randomisation_correlation": 0.1,
    "random_label_correlation": 0.05,
}
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
LAYERS = ["fc", "layer4", "layer3", "layer2", "layer1", "conv1"]


def band(values: Any) -> dict[str, list[float]]:
    values = np.asarray(values, dtype=float)
    return {
        "value": values.tolist(),
        "low": (values - 0.03).tolist(),
        "high": (values + 0.03).tolist(),
    }


def add_everything(content: dict[str, Any]) -> dict[str, Any]:
    """Add to ``results.json``; the methods differ in order by 0.01 in each metric."""
    methods = list(dict.fromkeys(row["method"] for row in content["rows"]))
    share = np.linspace(0, 1, 11)
    for row in content["rows"]:
        rank = methods.index(row["method"])
        for key, value in METRICS.items():
            value += 0.01 * rank
            row[key] = {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 60}
        row["insertion_deletion"] = {
            "fraction": share.tolist(),
            "insertion": band(share ** (1 / (rank + 2))),
            "deletion": band((1 - share) ** (rank + 2)),
        }
        row["lattice_source"] = {"period": 2, "variation": 0.58, "layer": "stem", "kind": "Conv2d"}
        row["randomisation"] = {
            "layers": list(LAYERS),
            "correlation": band(np.exp(-np.arange(6) / (rank + 1))),
        }
    epoch = np.arange(1, 9)
    first = content["rows"][0]
    content["trainings"] = [
        {
            **{key: first[key] for key in ("data", "model", "seed")},
            "method": method,
            "epoch": epoch.tolist(),
            "curves": {
                "loss": (2 / epoch + 0.1 * i).tolist(),
                "accuracy": (1 - 0.8 / epoch).tolist(),
                "val_loss": [None, *(2.2 / epoch[1:]).tolist()],
                "val_accuracy": [None, *(0.95 - 0.8 / epoch[1:]).tolist()],
                **({"proportion": (0.5 + 0.02 * epoch).tolist()} if method == "scaat" else {}),
            },
        }
        for i, method in enumerate(methods)
    ]
    return content


def add_per_image(folder: Path, arrays: dict[str, Any]) -> None:
    """Add arrays to ``per_image.npz``, in the place of those of their names."""
    with np.load(folder / "per_image.npz") as stored:
        values = dict(stored)
    np.savez(folder / "per_image.npz", **(values | arrays))


def add_arrays(folder: Path, content: dict[str, Any], count: int = 8) -> None:
    """Add to the arrays: the samples by proportion, and every metric's values with positions."""
    rng = np.random.default_rng(3)
    with np.load(folder / "examples.npz") as stored:
        arrays = dict(stored)
    size = arrays["images"].shape[1:]
    for i, row in enumerate(content["rows"]):
        if row["method"] == "scaat":
            arrays |= {
                f"{i}/ordered_images": np.resize(arrays["images"], (count, *size)),
                f"{i}/ordered_labels": np.arange(count) % 3,
                f"{i}/ordered_proportion": np.linspace(0.1, 0.9, count),
                f"{i}/ordered_maps": np.resize(arrays[f"{i}/maps"], (count, *size[1:])),
                f"{i}/ordered_index": np.arange(count),
            }
    np.savez(folder / "examples.npz", **arrays)
    with np.load(folder / "per_image.npz") as stored:
        values = dict(stored)
    common = rng.standard_normal(60)
    for i, row in enumerate(content["rows"]):
        values[f"{i}/index"] = np.arange(60)
        for key in METRICS:
            own = 0.001 * rng.standard_normal(60)
            values[f"{i}/{key}"] = row[key]["value"] + 0.1 * common + own
        values[f"{i}/pointing_game"][0] = np.nan  # an image without an annotated region
    np.savez(folder / "per_image.npz", **values)
