"""One results folder: what its ``results.json`` says of the whole run, and the arrays beside it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaat.errors import InputError

Array = NDArray[Any]

PER_IMAGE, EXAMPLES = "per_image.npz", "examples.npz"
ARRAY_FILES = (PER_IMAGE, EXAMPLES)


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
        path = self.folder / PER_IMAGE
        if values.ndim != 1 or values.dtype.kind not in "fiub":
            raise InputError(
                f"{path}: array {name!r} is {values.dtype} of shape {values.shape}, expected one "
                "number for each image"
            )
        bad = np.isinf(values) if gaps else ~np.isfinite(values)
        if bad.any():
            raise InputError(
                f"{path}: array {name!r} holds {values[bad][0]} at position {bad.argmax()}, "
                "expected one finite number for each image"
            )
        return values

    def examples(self) -> Examples | None:
        """Return the example images, or None if the folder has none."""
        images, masks = self._examples.get("images"), self._examples.get("masks")
        if images is None:
            return None
        self._expect_images("images", images)
        count, _, height, width = images.shape
        labels = self._expect("labels", (count,))
        if masks is not None:
            self._expect("masks", (count, height, width))
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
        images = self._examples.get(f"{row}/ordered_images")
        if images is None:
            return None
        self._expect_images(f"{row}/ordered_images", images)
        count, _, height, width = images.shape
        proportion = self._expect(f"{row}/ordered_proportion", (count,))
        if not ((proportion >= 0) & (proportion <= 1)).all():
            raise InputError(
                f"{self.folder / EXAMPLES}: array '{row}/ordered_proportion' holds values outside "
                "0 to 1, expected proportions"
            )
        return Ordered(
            images,
            self._expect(f"{row}/ordered_labels", (count,)),
            proportion,
            self._expect_maps(f"{row}/ordered_maps", (count, height, width)),
        )

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
        path, array = self.folder / EXAMPLES, self._examples.get(name)
        if array is None:
            raise InputError(f"{path}: array {name!r} is missing, expected shape {shape}")
        if array.shape != shape:
            raise InputError(f"{path}: array {name!r} has shape {array.shape}, expected {shape}")
        return array

    def _expect_maps(self, name: str, shape: tuple[int, ...]) -> Array:
        maps = self._expect(name, shape)
        if not np.isfinite(maps).all() or (maps < 0).any():
            raise InputError(
                f"{self.folder / EXAMPLES}: array {name!r} holds negative or non-finite values, "
                "expected a saliency map of finite values of 0 or more"
            )
        return maps

    def _expect_images(self, name: str, images: Array) -> None:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
            raise InputError(
                f"{self.folder / EXAMPLES}: array {name!r} is {images.dtype} of shape "
                f"{images.shape}, expected uint8 of shape (k, 1 or 3, height, width)"
            )
