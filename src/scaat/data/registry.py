"""The data sets by name, and what the loader of one returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.decoding import DecodedPixels, Take, decode_images, fit_boxes, require_memory
from scaat.data.image_set import ImageSet
from scaat.errors import InputError, unknown
from scaat.functional.logits import is_multilabel
from scaat.options.data import DataOptions
from scaat.registry import Registry

MOST_UNNAMED = 100_000
"""Larger than any public label set: without class names, a larger label is an error."""


@dataclass(frozen=True)
class Part:
    """One part of a data set before its images are decoded; only images that are used are.

    Attributes:
        labels: int64 (N,), the class id of every image, or float32 (N, labels), as in `ImageSet`.
        load: decodes the images at these ascending positions, int64 (M,).
        groups: int64 (N,), or None; equal values stay in one split, across all parts.
        lazy: the same set, decoded when read; None if images cannot be read one by one.
        encoded: yields the files or bytes at these ascending positions; None if the data are no
            encoded images.
    """

    labels: Tensor
    load: Callable[[Tensor], ImageSet]
    groups: Tensor | None = None
    lazy: Callable[[Tensor], ImageSet] | None = None
    encoded: Take | None = None

    def choose(self, ids: Tensor, names: tuple[str, ...]) -> Part:
        """Return the images of some classes; ``ids``: the new id of each old one, or -1."""
        rows = torch.from_numpy(np.flatnonzero(ids[self.labels] >= 0))

        def renumbered(read: Callable[[Tensor], ImageSet]) -> Callable[[Tensor], ImageSet]:
            def chosen(positions: Tensor) -> ImageSet:
                images = read(rows[positions])
                return replace(images, labels=ids[images.labels], classes=names)

            return chosen

        take = self.encoded
        return Part(
            ids[self.labels[rows]],
            renumbered(self.load),
            None if self.groups is None else self.groups[rows],
            None if self.lazy is None else renumbered(self.lazy),
            None if take is None else lambda positions: take(rows[positions]),
        )


@dataclass(frozen=True)
class Source:
    """A data set as its loader read it.

    Attributes:
        classes: the name of each class.
        train: the training part, or everything if the data bring no other part. It is empty only
            if the data bring a test part alone.
        validation: the validation part that the data bring, if any.
        test: the test part that the data bring, if any.
        augmentation: changes that preserve an image's class.
        settings: what the loader chose, for the record; fit for JSON.
    """

    classes: tuple[str, ...]
    train: Part
    validation: Part | None = None
    test: Part | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_parts(
        cls, classes: tuple[str, ...], parts: dict[str, Part], augmentation: Augmentation
    ) -> Source:
        """Return a data set of these parts, by name: ``train``, ``validation``, ``test``."""
        train = parts.get("train") or replace(parts["test"], labels=parts["test"].labels[:0])
        return cls(classes, train, parts.get("validation"), parts.get("test"), augmentation)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that the data bring, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part and len(part.labels)}

    def choose_classes(self, names: tuple[str, ...], data: str) -> Source:
        """Return the images of some classes, in their order; a class's id is its name's place.

        Args:
            names: two classes or more, all different.
            data: what messages call the data.

        Raises:
            InputError: a name is none of the data's or that of two classes, or a part is left
                without images (the training part: without those of a class).
        """
        if is_multilabel(self.train.labels):
            raise InputError(
                f"classes is given, but data {data!r} have several labels an image; expected all"
            )
        for name in names:
            if name not in self.classes:
                raise unknown(f"class of data {data!r}", name, self.classes)
            if self.classes.count(name) > 1:
                raise InputError(
                    f"classes names {name!r}, as {self.classes.count(name)} classes of data "
                    f"{data!r} are called; expected names that only one class has"
                )
        ids = torch.full((len(self.classes),), -1)
        ids[[self.classes.index(name) for name in names]] = torch.arange(len(names))
        parts = {key: part.choose(ids, names) for key, part in self.parts.items()}
        for key, part in parts.items():
            if not len(part.labels):
                raise InputError(
                    f"the {key} part of data {data!r} has no image of the classes "
                    f"{', '.join(names)}; expected some of each"
                )
        for number, name in enumerate(names):
            if "train" in parts and number not in parts["train"].labels:
                raise InputError(
                    f"classes names {name!r}, of which data {data!r} has no training image; "
                    "expected classes that have some"
                )
        return replace(Source.of_parts(names, parts, self.augmentation), settings=self.settings)


Load = Callable[[str, DataOptions], Source]


@dataclass(frozen=True)
class DataEntry:
    """One entry of the registry."""

    load: Load  # reads the data, given what follows the colon in the user's spec, or ""
    argument: str  # what follows the colon, for messages and help ("PATH"); "" if nothing may
    summary: str  # what it is, in a few words


datasets: Registry[DataEntry] = Registry("data set")


def dataset(name: str, argument: str, summary: str) -> Callable[[Load], Load]:
    """Return a decorator that enters a loader in `datasets`; the arguments are `DataEntry`'s."""

    def enter(load: Load) -> Load:
        datasets.register(name)(DataEntry(load, argument, summary))
        return load

    return enter


def part_of(images: ImageSet) -> Part:
    """Return an image set as a part; images that are not in memory can be read lazily."""
    if isinstance(images.images, Tensor):
        return Part(images.labels, images.subset, images.groups)

    def load(positions: Tensor) -> ImageSet:
        chosen = images.subset(positions)
        require_memory(*chosen.images.shape)
        return replace(chosen, images=chosen.pixels())

    return Part(images.labels, load, images.groups, images.subset)


def encoded_part(
    take: Take,
    labels: Tensor,
    classes: tuple[str, ...],
    image_size: int | None,
    *,
    boxes: Tensor | None = None,
    groups: Tensor | None = None,
    in_order: bool = False,
) -> Part:
    """Return encoded images as a part, to be decoded at once or when needed.

    Labels are as in `Part`, ``image_size`` as in `fit`; None leaves the images as they are. Boxes,
    float32 (N, 4) before any resizing, go only with ``in_order``: images that can be read in
    ascending order alone, and so not when needed. Groups are int64 (N,).
    """

    def load(positions: Tensor) -> ImageSet:
        images, sizes = decode_images(take(positions), len(positions), image_size)
        chosen = None if boxes is None else boxes[positions]
        if chosen is not None and image_size is not None:
            chosen = fit_boxes(chosen, sizes, image_size)
        group = None if groups is None else groups[positions]
        return ImageSet(images, labels[positions], classes, boxes=chosen, groups=group)

    def lazy(positions: Tensor) -> ImageSet:
        # The first image that is used decides the size, as in memory: others may be broken.
        pixels = DecodedPixels(take, len(labels), image_size, int(positions[0])).view(positions)
        return ImageSet(pixels, labels[positions], classes)

    return Part(labels, load, groups, None if in_order else lazy, take)


def part_files(folder: Path, suffix: str) -> dict[str, list[Path]]:
    """Return the files ``train*``, ``val*`` and ``test*`` of a folder by part, in their order.

    There are none if training files are missing, unless it holds test files alone.
    """
    starts = {"train": "train", "validation": "val", "test": "test"}
    files = {part: sorted(folder.glob(f"{start}*{suffix}")) for part, start in starts.items()}
    files = {part: paths for part, paths in files.items() if paths}
    return files if "train" in files or files.keys() == {"test"} else {}


def unnamed_classes(greatest: int, fault: str) -> tuple[str, ...]:
    """Return the class names "0" to the greatest label, for data that name no classes.

    ``fault`` begins the message if it is too large: what holds it.
    """
    if greatest >= MOST_UNNAMED:
        raise InputError(f"{fault}; expected class ids below {MOST_UNNAMED:,}")
    return tuple(map(str, range(greatest + 1)))
