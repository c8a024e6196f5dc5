"""The data sets by name, and what the loader of one hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.decoding import Encoded
from scaat.data.image_set import ImageSet
from scaat.options.data import DataOptions
from scaat.registry import Registry

MOST_UNNAMED = 100_000
"""Above the largest public label sets: where no names are known, a larger label is no class's."""


@dataclass(frozen=True)
class Part:
    """One part of a data set before its images are decoded.

    What a split needs is known at once; only the items that are used are ever decoded.

    Attributes:
        labels: int64 (N,), the class id of every item.
        load: decodes the items at these ascending positions, int64 (M,).
        groups: int64 (N,), or None; equal values stay in one split, across all parts.
        encoded: yields the files or their bytes at these ascending positions; None where the data
            are no encoded images.
        lazy: the same set, whose images are decoded when they are read; None where they are in
            memory already or cannot be read one by one.
    """

    labels: Tensor
    load: Callable[[Tensor], ImageSet]
    groups: Tensor | None = None
    lazy: Callable[[Tensor], ImageSet] | None = None
    encoded: Callable[[Tensor], Iterator[Encoded]] | None = None


@dataclass(frozen=True)
class Source:
    """A data set as its loader found it.

    Attributes:
        classes: the name of each class.
        train: the training part, or everything where the data brings no other part.
        validation: the validation part that the data brings, if any.
        test: the test part that the data brings, if any.
        augmentation: what leaves an image's class as it is.
        settings: what the loader chose, for the record; fit for JSON.
    """

    classes: tuple[str, ...]
    train: Part
    validation: Part | None = None
    test: Part | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that the data bring, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in found.items() if part is not None}


@dataclass(frozen=True)
class DataEntry:
    """One entry of the registry.

    Attributes:
        load: finds the data, given what follows the colon in the user's spec ("" for nothing).
        argument: what follows the colon, for messages and help ("PATH"); "" where nothing may.
        summary: what it is, in a few words.
    """

    load: Callable[[str, DataOptions], Source]
    argument: str
    summary: str


datasets: Registry[DataEntry] = Registry("data set")


def part_of(images: ImageSet) -> Part:
    """Return images that are in memory already as a part."""
    return Part(images.labels, images.subset, images.groups)
