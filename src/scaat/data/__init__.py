"""Data sets by name: labelled images, split by a recorded seed; loaders import libraries late."""

from __future__ import annotations

from scaat.data import (  # noqa: F401  (each registers its data sets)
    cache,
    folder,
    hugging_face,
    lesions,
    published,
    webdataset,
)
from scaat.data.augmentation import Augmentation, augment
from scaat.data.image_set import ImageSet, identity, to_float
from scaat.data.loading import DataSplits, load_data
from scaat.data.registry import datasets
from scaat.options.data import DataOptions

__all__ = [
    "Augmentation",
    "DataOptions",
    "DataSplits",
    "ImageSet",
    "augment",
    "datasets",
    "identity",
    "load_data",
    "to_float",
]
