"""The options of data: which, and how to split them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Literal

from scaat.errors import InputError
from scaat.options.option import check_ranges, described, option

Loading = Literal["auto", "memory", "lazy"]

LARGEST = 10_000
"""Pixels of a side, at most: a single larger image could exhaust memory."""


@described
@dataclass(frozen=True)
class DataOptions:
    """Which data to load and how to split it; the command line makes its options from this.

    Args:
        data: The data: tissue, digits, lesions, folder:PATH (class folders, with or without train/
            and test/), parquet:PATH (Hugging Face layout), or another of those that scaat data list
            names.
        name: What results call the data; default: the value of data itself.
        validation_fraction: Fraction of the images held out for validation, where the data brings
            no validation part.
        test_fraction: Fraction of the images held out for the test, if the data brings no test
            part.
        train_limit: Train on this many images: a random choice by the seed that keeps the classes'
            proportions, made after validation and test are split off; default: all.
        image_size: Resize the shorter side to this many pixels and crop the centre square; default:
            images stay as they are.
        loading: Where decoded images are: memory, lazy (decoded when needed, by --workers), or
            auto: in memory if they take less than half of what is free.
        crop_padding: Pixels by which training images are moved at random, each way; default: what
            suits the data (4 for tissue, folder and parquet, 2 for digits, 0 for lesions).
        group: Parquet column whose equal values (a patient, a tile) stay in one split.
        inclusive_boxes: Parquet column bbox names the last pixel inside an object (63 at the border
            of a 64-pixel image, as in Tiny ImageNet) instead of the edge behind it (64).
        random_labels: Shuffle the labels of the training images by the seed: a model for the sanity
            check of saliency maps, which should differ from this model's.
        classes: Use only these classes, separated by commas, in this order; default: all. The
            second of two is the positive one of the AUC.

    Raises:
        InputError: a value is out of range.
    """

    data: str = "digits"
    name: str | None = None
    validation_fraction: float = option(0.1, above=0, below=1)
    test_fraction: float = option(0.2, above=0, below=1)
    train_limit: int | None = option(None, least=1)
    image_size: int | None = option(None, least=1, most=LARGEST)
    loading: Loading = "auto"
    crop_padding: int | None = option(None, least=0)
    group: str | None = None
    inclusive_boxes: bool = False
    random_labels: bool = False
    classes: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.classes is not None:
            class_names(self.classes)


def class_names(text: str) -> tuple[str, ...]:
    """Return the names of ``classes``, in their order: at least two, different and not empty.

    They are separated by commas; names that contain one are in double quotes, as in CSV.
    """
    try:
        (row,) = csv.reader([text], skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise InputError(
            f"classes is {text!r:.80}; expected names on one line, separated by commas"
        ) from error
    names = tuple(name.strip() for name in row)
    if not all(names):
        raise InputError(f"classes is {text!r}, with an empty name; expected a name at each comma")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"classes names {name!r} twice; expected each class once")
    if len(names) < 2:
        raise InputError(f"classes is {text!r}; expected two names or more, separated by commas")
    return names
