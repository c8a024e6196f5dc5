"""From a user's options to the three parts."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.classes import choose_classes
from scaat.data.image_set import ImageSet
from scaat.data.registry import Part, Source, datasets
from scaat.data.resizing import fit_set
from scaat.data.splits import DataSplits, limit, split_off
from scaat.errors import InputError
from scaat.hardware import available_memory
from scaat.options.data import DataOptions, class_names

_SHARE = 0.5  # of the free memory, which the training itself needs too
_RANDOM_LABELS = 1  # a stream of its own beside the split's


def load_data(options: DataOptions, *, seed: int) -> DataSplits:
    """Load data and split them; only the images that a part uses are decoded.

    Where ``classes`` are named, the images of others are left out first, from all parts. Test and
    validation parts that the data bring are kept. What is missing is drawn from the training
    part: first the test part (``test_fraction`` of it), then the validation part
    (``validation_fraction`` of what the training part held at first), stratified and by whole
    groups. Then ``train_limit`` is applied, so it changes neither of the two.

    Args:
        options: which data, and how to split them.
        seed: of the draws; equal seeds give equal parts.

    Raises:
        InputError: the data or an option is at fault; see the loaders.
    """
    source = find_source(options)
    positions = split_positions(source, options, seed=seed)
    parts = {name: _load(part, chosen, options) for name, (part, chosen) in positions.items()}
    _require_one_size(parts)
    if options.random_labels:
        parts["train"] = _with_random_labels(parts["train"], seed)
    augmentation = source.augmentation
    if options.crop_padding is not None:
        augmentation = replace(augmentation, crop_padding=options.crop_padding)
    settings: dict[str, Any] = {
        **asdict(options),
        "seed": seed,
        "classes": list(source.classes),  # those that were asked for, or all
        "image_size_used": list(parts["train"].image_size),
        "sizes": {name: len(part) for name, part in parts.items()},
        "class_counts": {name: _class_counts(part) for name, part in parts.items()},
        "validation_from": "data" if source.validation else "train",
        "test_from": "data" if source.test else "train",
        "augmentation": asdict(augmentation),
        "source": source.settings,
    }
    return DataSplits(
        name=options.name or options.data,
        augmentation=augmentation,
        settings=settings,
        **parts,
    )


def find_source(options: DataOptions) -> Source:
    """Find the data that the options name, before any split; hardly an image is decoded.

    It holds the images of the ``classes`` that the options name, or all.

    Raises:
        InputError: the data or an option is at fault; see the loaders.
    """
    kind, colon, argument = options.data.partition(":")
    if kind not in datasets and Path(options.data).is_dir():
        raise InputError(f"data is {options.data!r}, a folder; expected 'folder:{options.data}'")
    entry = datasets[kind]
    if entry.argument and not argument:
        raise InputError(f"data {kind!r} needs a path; expected {kind}:{entry.argument}")
    if colon and not entry.argument:
        raise InputError(f"data is {options.data!r}; expected {kind!r}, which takes no argument")
    source = entry.load(argument, options)
    if options.group is not None and source.train.groups is None:
        raise InputError(
            f"group is {options.group!r}, but data {kind!r} has no columns; "
            "expected group with parquet:PATH"
        )
    if options.inclusive_boxes and kind not in ("parquet", "cache"):
        raise InputError(
            f"inclusive_boxes is given, but data {kind!r} reads no boxes; expected it with "
            "parquet:PATH"
        )
    if options.classes is None:
        return source
    return choose_classes(source, class_names(options.classes), options.data)


def split_positions(
    source: Source, options: DataOptions, *, seed: int
) -> dict[str, tuple[Part, Tensor]]:
    """Return, for train, validation and test, whose items it takes and which; nothing is decoded.

    Raises:
        InputError: there is one class only, a class or the fractions leave too little, or the
            data's own parts share a group.
    """
    train = source.train
    if len(np.unique(train.labels)) < 2:
        raise InputError(f"data {options.data!r} has one class only; expected two or more")
    _require_whole_groups(source)
    left = torch.arange(len(train.labels))
    held: dict[str, tuple[Part, Tensor]] = {}
    taken = 0.0
    for name, part in (("test", source.test), ("validation", source.validation)):
        if part is not None:
            held[name] = (part, torch.arange(len(part.labels)))
            continue
        fraction = getattr(options, f"{name}_fraction")
        if taken + fraction >= 1:
            raise InputError(
                f"test_fraction and validation_fraction add up to {taken + fraction:.3g}; "
                "expected less than 1, so that something is left to train on"
            )
        rest, chosen = split_off(
            train.labels[left],
            None if train.groups is None else train.groups[left],
            fraction / (1 - taken),
            seed=seed,
            part=name,
            classes=source.classes,
        )
        held[name] = (train, left[chosen])
        left = left[rest]
        taken += fraction
    if options.train_limit is not None:
        if options.train_limit > len(left):
            raise InputError(
                f"train_limit is {options.train_limit}; expected at most {len(left)}, "
                "the images that are left for training after the split"
            )
        left = left[limit(train.labels[left], options.train_limit, seed=seed)]
    return {"train": (train, left), "validation": held["validation"], "test": held["test"]}


def _require_whole_groups(source: Source) -> None:
    """Refuse data whose own parts share a group."""
    parts = {"train": source.train, "validation": source.validation, "test": source.test}
    owner: dict[int, str] = {}
    for name, part in parts.items():
        if part is None or part.groups is None:
            continue
        for group in np.unique(part.groups).tolist():
            if owner.setdefault(group, name) != name:
                raise InputError(
                    f"one group's images are in both the {owner[group]} and the {name} part that "
                    "the data bring; expected every group in one part"
                )


def _load(part: Part, positions: Tensor, options: DataOptions) -> ImageSet:
    images = _in_memory_or_lazy(part, positions, options)
    return images if options.image_size is None else fit_set(images, options.image_size)


def _in_memory_or_lazy(part: Part, positions: Tensor, options: DataOptions) -> ImageSet:
    if part.lazy is None:
        if options.loading == "lazy":
            raise InputError(
                f"loading is 'lazy', but data {options.data!r} cannot be read image by image; "
                "expected auto or memory, or the cache that scaat data convert makes of it"
            )
        return part.load(positions)
    if options.loading == "memory":
        return part.load(positions)
    images = part.lazy(positions)
    available = available_memory()
    needed = prod(images.images.shape)
    fits = available is None or needed < available * _SHARE
    return part.load(positions) if options.loading == "auto" and fits else images


def _with_random_labels(images: ImageSet, seed: int) -> ImageSet:
    """Shuffle the labels: the classes keep their shares, and say nothing about the images."""
    order = np.random.default_rng([seed, _RANDOM_LABELS]).permutation(len(images))
    return replace(images, labels=images.labels[torch.from_numpy(order)])


def _require_one_size(parts: dict[str, ImageSet]) -> None:
    expected = parts["train"].image_size
    for name, part in parts.items():
        if part.image_size != expected:
            raise InputError(
                f"{name} images are {part.image_size[0]}x{part.image_size[1]} and train images "
                f"{expected[0]}x{expected[1]}; expected one size, or set image_size to resize them"
            )


def _class_counts(images: ImageSet) -> dict[str, int]:
    counts = images.labels.bincount(minlength=images.num_classes).tolist()
    return dict(zip(images.classes, counts, strict=True))
