"""Results folders as types: the rows of ``results.json``, the arrays, and what compares."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaat.display.labels import Estimate
from scaat.errors import InputError

Array = NDArray[Any]

PER_IMAGE, EXAMPLES = "per_image.npz", "examples.npz"
ARRAY_FILES = (PER_IMAGE, EXAMPLES)

UNKNOWN = -1
"""The label of an image whose class is not known."""


@dataclass(frozen=True)
class Examples:
    """Images shown with their maps: uint8 (k, C, H, W), labels (k,), true regions (k, H, W)."""

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
class Ordered:
    """Training samples by ascending final proportion (paper, Figure 3b), and their maps.

    uint8 images (k, C, H, W), labels (k,), proportions (k,), maps (k, H, W).
    """

    images: Array
    labels: Array
    proportion: Array
    maps: Array


@dataclass(frozen=True)
class Training:
    """How one training went: values at the end of each epoch, NaN where none was logged."""

    data: str
    model: str
    method: str
    seed: int
    epoch: Array
    curves: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Source:
    """A results folder; the arrays are read when they are first asked for."""

    folder: Path
    label: str
    """What the report calls the run: its folder's name."""
    environment: Mapping[str, Any]
    classes: tuple[str, ...]
    settings: Mapping[str, Any]
    trainings: tuple[Training, ...] = ()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Return the names of array files that the folder lacks; what needs them is left out."""
        return tuple(name for name in ARRAY_FILES if not (self.folder / name).is_file())

    def per_image(self, row: int, metric: str, *, gaps: bool = False) -> Array | None:
        """Return one number for each measured image, shape (n,), or None if not stored.

        Args:
            row: Its number in the file.
            metric: Key of the metric, ``index`` for the images' positions in the test set, or,
                of all test images, ``correct`` and ``margin``.
            gaps: Whether NaN may stand for images that the metric is not defined for.
        """
        name = f"{row}/{metric}"
        values = self._per_image.get(name)
        if values is None:
            return None
        if values.ndim != 1 or values.dtype.kind not in "fiub":
            what = f"is {values.dtype} of shape {values.shape}, expected one number for each image"
            raise self._fault(PER_IMAGE, name, what)
        bad = np.isinf(values) if gaps else ~np.isfinite(values)
        if bad.any():
            what = f"holds {values[bad][0]} at position {bad.argmax()}, expected one finite number"
            raise self._fault(PER_IMAGE, name, f"{what} for each image")
        return values

    def examples(self) -> Examples | None:
        """Return the example images, or None if the folder has none."""
        images = self._images("images")
        if images is None:
            return None
        count, _, height, width = images.shape
        labels = self._expect("labels", (count,))
        stored = "masks" in self._examples
        masks = self._expect("masks", (count, height, width)) if stored else None
        return Examples(images, labels, masks)

    def example_maps(self, row: int, examples: Examples) -> ExampleMaps | None:
        """Return one row's maps of ``examples``, or None if they were not stored."""
        if f"{row}/maps" not in self._examples:
            return None
        count, _, height, width = examples.images.shape
        return ExampleMaps(
            self._expect_maps(f"{row}/maps", (count, height, width)),
            self._expect(f"{row}/predicted", (count,)),
            self._expect(f"{row}/probability", (count,)),
        )

    def ordered(self, row: int) -> Ordered | None:
        """Return training samples by their final proportion, or None if none were stored."""
        images = self._images(f"{row}/ordered_images")
        if images is None:
            return None
        count, _, height, width = images.shape
        labels = self._expect(f"{row}/ordered_labels", (count,))
        name = f"{row}/ordered_proportion"
        proportion = self._expect(name, (count,))
        if not ((proportion >= 0) & (proportion <= 1)).all():
            what = "holds values outside 0 to 1, expected proportions"
            raise self._fault(EXAMPLES, name, what)
        maps = self._expect_maps(f"{row}/ordered_maps", (count, height, width))
        return Ordered(images, labels, proportion, maps)

    @cached_property
    def _per_image(self) -> Mapping[str, Array]:
        return self._load(PER_IMAGE)

    @cached_property
    def _examples(self) -> Mapping[str, Array]:
        return self._load(EXAMPLES)

    def _load(self, file: str) -> Mapping[str, Array]:
        if file in self.missing:
            return {}
        path = self.folder / file
        try:
            with np.load(path, allow_pickle=False) as store:
                return dict(store)
        except (OSError, ValueError, EOFError, TypeError, zlib.error, zipfile.BadZipFile) as error:
            raise InputError(f"{path} can't be read as a NumPy archive: {error}") from error

    def _expect(self, name: str, shape: tuple[int, ...]) -> Array:
        array = self._examples.get(name)
        if array is None:
            raise self._fault(EXAMPLES, name, f"is missing, expected shape {shape}")
        if array.shape != shape:
            raise self._fault(EXAMPLES, name, f"has shape {array.shape}, expected {shape}")
        return array

    def _expect_maps(self, name: str, shape: tuple[int, ...]) -> Array:
        maps = self._expect(name, shape)
        if not np.isfinite(maps).all() or (maps < 0).any():
            what = "holds negative or non-finite values, expected a saliency map of finite values"
            raise self._fault(EXAMPLES, name, f"{what} of 0 or more")
        return maps

    def _images(self, name: str) -> Array | None:
        images = self._examples.get(name)
        if images is not None and (
            images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3)
        ):
            what = f"is {images.dtype} of shape {images.shape}"
            what += ", expected uint8 of shape (k, 1 or 3, height, width)"
            raise self._fault(EXAMPLES, name, what)
        return images

    def _fault(self, file: str, array: str, what: str) -> InputError:
        return InputError(f"{self.folder / file}: array {array!r} {what}")


@dataclass(frozen=True)
class Curve:
    """A mean curve over the test images, with its band; shapes (steps,)."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Traces:
    """Probability of the predicted class as pixels are inserted and deleted, by their fraction."""

    fraction: Array
    insertion: Curve
    deletion: Curve


@dataclass(frozen=True)
class Randomisation:
    """Correlation with the trained model's maps as layers, the output's first, are randomised."""

    layers: tuple[str, ...]
    correlation: Curve


@dataclass(frozen=True, eq=False)
class Row:
    """One (data, model, method, attribution, seed) of a results file."""

    source: Source
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
    traces: Traces | None = None
    randomisation: Randomisation | None = None
    lattice: str | None = None
    """The period of the model's lattice and the layer that makes it, in words."""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return what identifies this row in a report."""
        return self.data, self.model, self.method, self.attribution, self.seed


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows that may be compared, in the files' order: one test set, model and seed."""

    data: str
    model: str
    seed: int
    rows: tuple[Row, ...]
    differences: dict[tuple[str, str | None, str, str], Estimate | None] = field(
        default_factory=dict, repr=False
    )
    """What `compare.difference` has computed."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the training methods in order of appearance."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def attributions(self) -> tuple[str, ...]:
        """Return the saliency methods in order of appearance."""
        return tuple(dict.fromkeys(row.attribution for row in self.rows))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the runs that the rows are from."""
        return tuple(dict.fromkeys(row.source for row in self.rows))

    @property
    def reference(self) -> str:
        """Return the training method that others are held against."""
        return reference_of(self.methods)

    @property
    def ordered(self) -> list[tuple[Row, Ordered]]:
        """Return each training method's samples by proportion, with the first row that has any."""
        stored: dict[str, tuple[Row, Ordered]] = {}
        for row in self.rows:
            if (ordered := row.source.ordered(row.index)) is not None:
                stored.setdefault(row.method, (row, ordered))
        return list(stored.values())

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Return how the compared models were trained, where that was stored."""
        wanted = [(self.data, self.model, method, self.seed) for method in self.methods]
        known = {(t.data, t.model, t.method, t.seed): t for s in self.sources for t in s.trainings}
        return tuple(known[key] for key in wanted if key in known)

    def row(self, method: str, attribution: str | None) -> Row | None:
        """Return the row of this pair, or None where it was not measured.

        With None for the saliency method it is `model_row`.
        """
        if attribution is None:
            return self.model_row(method)
        wanted = (method, attribution)
        return next((row for row in self.rows if (row.method, row.attribution) == wanted), None)

    def model_row(self, method: str) -> Row:
        """Return a row for what does not depend on the saliency method: accuracy, AUC, cost."""
        row = self.row(method, "gradient")
        return row or next(row for row in self.rows if row.method == method)

    def measured(self, metric: str) -> bool:
        """Return whether any row has the metric."""
        return any(row.metrics.get(metric) for row in self.rows)

    def images(self, metric: str) -> int:
        """Return the largest number of test images behind a metric."""
        return max(e.n if (e := row.metrics[metric]) else 0 for row in self.rows)

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its number where the file names too few."""
        if index == UNKNOWN:
            return "unlabelled"
        classes = self.rows[0].source.classes
        return classes[index] if 0 <= index < len(classes) else str(index)


@dataclass(frozen=True, eq=False)
class Results:
    """What one or several results folders hold."""

    sources: tuple[Source, ...]
    rows: tuple[Row, ...]

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return the rows by test set, model and seed, in order of appearance.

        Rows of different runs share a comparison only if their classes, their data settings and
        the way the maps were measured agree.
        """
        groups: dict[tuple[object, ...], list[Row]] = {}
        for row in self.rows:
            key = (row.data, row.model, row.seed, row.source.classes, _same_test(row.settings))
            groups.setdefault(key, []).append(row)
        return tuple(
            Comparison(rows[0].data, rows[0].model, rows[0].seed, tuple(rows))
            for rows in groups.values()
        )


# Where the files lie doesn't change them.
_PLACE = ("data",)
# What the maps' metrics depend on, beside the model, the maps and the images; and what an earlier
# version, which had no such option, did.
_PROTOCOL = {
    "aopc_steps": None,
    "aopc_fraction": None,
    "aopc_region_size": None,
    "aopc_baseline": "random",
    "size_codec": None,
    "size_quality": None,
}
# Follows from the seed of the split, so it differs between seeds of one setting.
_BY_SEED = ("seed", "sizes", "class_counts")


def _same_test(settings: Mapping[str, Any], ignored: tuple[str, ...] = _PLACE) -> str:
    """Return a text that is equal for settings under which rows may be compared."""
    data, measured = (settings.get(key) or {} for key in ("data", "evaluation"))
    kept = {key: value for key, value in dict(data).items() if key not in ignored}
    protocol = {key: dict(measured).get(key, old) for key, old in _PROTOCOL.items()}
    return json.dumps([kept, protocol], sort_keys=True, default=str)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as ``{"a.b": text}``, in their order."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat


def told_apart(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return by dotted key the settings that make two runs of one method different.

    Left out are the place of the data, what follows from the seed, the settings of the saliency
    methods and what the training measured.
    """
    ignored = {"attribution", "trained", *(f"data.{key}" for key in _PLACE + _BY_SEED)}
    return {
        key: value
        for key, value in flatten(settings).items()
        if key not in ignored and not key.startswith(tuple(f"{name}." for name in ignored))
    }


def reference_of(methods: Sequence[str]) -> str:
    """Return the training method that others are held against: ``standard``, or the first."""
    return "standard" if "standard" in methods else methods[0]


def same_but_for_seed(comparison: Comparison) -> tuple[object, ...]:
    """Return what comparisons have in common that differ in nothing but the training seed."""
    row = comparison.rows[0]
    return row.data, row.model, row.source.classes, _same_test(row.settings, _PLACE + _BY_SEED)
