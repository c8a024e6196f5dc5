"""The options of data: which, and how to split them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Literal

from scaat.errors import InputError
from scaat.options.option import check_ranges, option

Loading = Literal["auto", "memory", "lazy"]

LARGEST = 10_000
"""Pixels of a side, at most: a single larger image could exhaust memory."""


@dataclass(frozen=True)
class DataOptions:
    """Which data to load and how to split it; the command line makes its options from this.

    Raises:
        InputError: a value is out of range.
    """

    data: str = option(
        "digits",
        "The data: tissue, digits, lesions, folder:PATH (class folders, with or "
        "without train/ and test/), parquet:PATH (Hugging Face layout), or another of those "
        "that scaat data list names.",
    )
    name: str | None = option(
        None, "What results call the data; default: the value of data itself."
    )
    validation_fraction: float = option(
        0.1,
        "Fraction of the images held out for validation, where the data brings no validation part.",
        above=0,
        below=1,
    )
    test_fraction: float = option(
        0.2,
        "Fraction of the images held out for the test, if the data brings no test part.",
        above=0,
        below=1,
    )
    train_limit: int | None = option(
        None,
        "Train on this many images: a random choice by the seed that keeps the "
        "classes' proportions, made after validation and test are split off; default: all.",
        least=1,
    )
    image_size: int | None = option(
        None,
        "Resize the shorter side to this many pixels and crop the centre square; "
        "default: images stay as they are.",
        least=1,
        most=LARGEST,
    )
    loading: Loading = option(
        "auto",
        "Where decoded images are: memory, lazy (decoded when needed, by --workers), "
        "or auto: in memory if they take less than half of what is free.",
    )
    crop_padding: int | None = option(
        None,
        "Pixels by which training images are moved at random, each way; default: what "
        "suits the data (4 for tissue, folder and parquet, 2 for digits, 0 for lesions).",
        least=0,
    )
    group: str | None = option(
        None, "Parquet column whose equal values (a patient, a tile) stay in one split."
    )
    inclusive_boxes: bool = option(
        False,
        "Parquet column bbox names the last pixel inside an object (63 at the border "
        "of a 64-pixel image, as in Tiny ImageNet) instead of the edge behind it (64).",
    )
    random_labels: bool = option(
        False,
        "Shuffle the labels of the training images by the seed: a model for the "
        "sanity check of saliency maps, which should differ from this model's.",
    )
    classes: str | None = option(
        None,
        "Use only these classes, separated by commas, in this order; default: all. The "
        "second of two is the positive one of the AUC.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.classes is not None:
            class_names(self.classes)


def class_names(text: str) -> tuple[str, ...]:
    """Return the names of ``classes``, in their order.

    Args:
        text: Separated by commas; names that contain one are in double quotes, as in CSV.

    Raises:
        InputError: There are fewer than two, one is empty, or one occurs twice.
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
