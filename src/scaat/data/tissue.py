"""Embedded real images: a part of PatchCamelyon, licence CC0 (``embedded/README.md``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scaat.data.augmentation import Augmentation
from scaat.data.hugging_face import load_parquet
from scaat.data.registry import DataEntry, Source, datasets
from scaat.options.data import DataOptions

FOLDER = Path(__file__).with_name("embedded")


def load_tissue(argument: str, options: DataOptions) -> Source:
    """Return 3,400 lymph-node patches of 48 x 48 pixels, normal or with tumour in the centre.

    Tissue has no upright side, so the augmentation mirrors it both ways. Crops move by up to 4
    pixels, which keeps the central 32 x 32, on which the label depends, inside.
    """
    source = load_parquet(str(FOLDER), options)
    return replace(
        source,
        augmentation=Augmentation(crop_padding=4, horizontal_flip=True, vertical_flip=True),
    )


datasets.register("tissue")(
    DataEntry(load_tissue, "", "3,400 lymph-node patches of PatchCamelyon, embedded, CC0")
)
