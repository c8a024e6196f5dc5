"""What a results folder holds, as types; the arrays are read when they are asked for."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaat.errors import InputError

Array = NDArray[Any]


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` test images and its 95 % interval.

    A bound is None where no interval was computed, and, for a ratio marked ``unbounded``, where
    the interval has no end on that side; the value is None where the ratio is undefined.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unbounded: bool = False

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the interval with infinite open ends, or None where there is no interval."""
        if self.unbounded:
            return (
                -math.inf if self.low is None else self.low,
                math.inf if self.high is None else self.high,
            )
        if self.low is None or self.high is None:
            return None
        return self.low, self.high


@dataclass(frozen=True)
class Curve:
    """Mean probability decay at each perturbed fraction, with its band; shapes (steps,)."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Row:
    """One (data, model, method, attribution, seed) of a results file."""

    index: int
    data: str
    model: str
    method: str
    attribution: str
    seed: int
    metrics: Mapping[str, Estimate | None]
    train_seconds: float | None
    cost_ratio: float | None
    settings: Mapping[str, Any]
    fraction: Array
    lerf: Curve
    morf: Curve


@dataclass(frozen=True)
class Examples:
    """Images shown with their maps: uint8 (k, C, H, W), labels (k,), lesion masks (k, H, W)."""

    images: Array
    labels: Array
    masks: Array | None


@dataclass(frozen=True)
class ExampleMaps:
    """One row's maps of the examples: (k, H, W), predicted classes (k,), probabilities (k,)."""

    maps: Array
    predicted: Array
    probability: Array


@dataclass(frozen=True)
class Comparison:
    """The rows that may be compared: one data set, model and seed, in the file's order."""

    data: str
    model: str
    seed: int
    rows: tuple[Row, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the training methods in order of appearance."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def attributions(self) -> tuple[str, ...]:
        """Return the saliency methods in order of appearance."""
        return tuple(dict.fromkeys(row.attribution for row in self.rows))

    def row(self, method: str, attribution: str) -> Row | None:
        """Return the row of this pair, or None where it was not measured."""
        for row in self.rows:
            if (row.method, row.attribution) == (method, attribution):
                return row
        return None

    def model_row(self, method: str) -> Row:
        """Return a row for what does not depend on the saliency method: accuracy, AUC, cost."""
        row = self.row(method, "gradient")
        return row or next(row for row in self.rows if row.method == method)

    def images(self, metric: str) -> int:
        """Return the largest number of test images behind a metric."""
        return max(e.n if (e := row.metrics[metric]) else 0 for row in self.rows)


@dataclass(frozen=True)
class Results:
    """A folder's results: `results.json` read at once, the arrays when asked for."""

    folder: Path
    environment: Mapping[str, str | int]
    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    settings: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    """Names of array files that the folder lacks; what needs them is left out."""

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return the rows by (data, model, seed), in order of appearance."""
        groups: dict[tuple[str, str, int], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.data, row.model, row.seed), []).append(row)
        return tuple(Comparison(*key, rows=tuple(rows)) for key, rows in groups.items())

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its number where the file names too few."""
        return self.classes[index] if 0 <= index < len(self.classes) else str(index)

    def per_image(self, row: Row, metric: str) -> Array | None:
        """Return one finite value for each test image, shape (n,), or None if not stored."""
        values = self._arrays("per_image.npz", (f"{row.index}/{metric}",))[0]
        if values is not None and (values.ndim != 1 or not np.isfinite(values).all()):
            raise InputError(
                f"{self.folder / 'per_image.npz'}: array '{row.index}/{metric}' has shape "
                f"{values.shape}, expected one finite number for each image"
            )
        return values

    def examples(self) -> Examples | None:
        """Return the example images, or None if the folder has none."""
        images, labels, masks = self._arrays("examples.npz", ("images", "labels", "masks"))
        if images is None:
            return None
        path = self.folder / "examples.npz"
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
            raise InputError(
                f"{path}: array 'images' is {images.dtype} of shape {images.shape}, "
                "expected uint8 of shape (k, 1 or 3, height, width)"
            )
        count, _, height, width = images.shape
        _expect_shape(path, "labels", labels, (count,))
        if masks is not None:
            _expect_shape(path, "masks", masks, (count, height, width))
        assert labels is not None
        return Examples(images, labels, masks)

    def example_maps(self, row: Row, examples: Examples) -> ExampleMaps | None:
        """Return one row's maps of ``examples``, or None if they were not stored."""
        names = tuple(f"{row.index}/{name}" for name in ("maps", "predicted", "probability"))
        maps, predicted, probability = self._arrays("examples.npz", names)
        if maps is None:
            return None
        path = self.folder / "examples.npz"
        count, _, height, width = examples.images.shape
        _expect_shape(path, names[0], maps, (count, height, width))
        _expect_shape(path, names[1], predicted, (count,))
        _expect_shape(path, names[2], probability, (count,))
        if not np.isfinite(maps).all() or (maps < 0).any():
            raise InputError(
                f"{path}: array {names[0]!r} holds negative or non-finite values, "
                "expected a saliency map of finite values of 0 or more"
            )
        assert predicted is not None
        assert probability is not None
        return ExampleMaps(maps, predicted, probability)

    def _arrays(self, file: str, names: tuple[str, ...]) -> tuple[Array | None, ...]:
        path = self.folder / file
        if file in self.missing:
            return (None,) * len(names)
        try:
            with np.load(path, allow_pickle=False) as store:
                return tuple(store[name] if name in store.files else None for name in names)
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} can't be read as a NumPy archive: {error}") from error


def _expect_shape(path: Path, name: str, array: Array | None, shape: tuple[int, ...]) -> None:
    if array is None:
        raise InputError(f"{path}: array {name!r} is missing, expected shape {shape}")
    if array.shape != shape:
        raise InputError(f"{path}: array {name!r} has shape {array.shape}, expected {shape}")
