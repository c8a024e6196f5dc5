"""Scikit-learn's handwritten digits, the embedded default."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from scaat.data.augmentation import Augmentation
from scaat.data.image_set import ImageSet
from scaat.data.registry import DataEntry, Source, datasets, part_of
from scaat.options.data import DataOptions

SIDE = 32


def load_digits(argument: str, options: DataOptions) -> Source:
    """Return 1,797 real handwritten digits, shown at 32 x 32.

    The images are 8 x 8 with levels 0 to 16 (UCI's optical recognition of handwritten digits,
    its test part, as scikit-learn ships it). They are enlarged by torch's bilinear interpolation
    (``align_corners=False``) and repeated over three channels, so that every model takes them.
    A mirrored digit is another sign, so the augmentation only moves: by up to 2 pixels, half a
    pixel of the original.
    """
    from sklearn.datasets import load_digits as read

    data = read()
    grey = torch.from_numpy(data.images).float().unsqueeze(1) / 16
    large = F.interpolate(grey, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    images = (large * 255).round().to(torch.uint8).repeat(1, 3, 1, 1)
    classes = tuple(str(name) for name in data.target_names)
    digits = ImageSet(images, torch.from_numpy(data.target).long(), classes)
    return Source(
        classes,
        part_of(digits),
        augmentation=Augmentation(crop_padding=2),
        settings={"shown_at": SIDE, "interpolation": "bilinear"},
    )


datasets.register("digits")(
    DataEntry(load_digits, "", "8 x 8 handwritten digits that scikit-learn ships, shown at 32 x 32")
)
