"""From a user's options to the three parts: what they hold, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.decoding import fit_set
from scaat.data.image_set import ImageSet, class_counts, joined
from scaat.data.registry import Part, Source, datasets
from scaat.errors import InputError
from scaat.functional.logits import is_multilabel
from scaat.hardware import available_memory
from scaat.options.data import DataOptions, class_names

SLACK = 1e-9  # of a fraction times a count: 0.7 * 10 must not round up to 8
_MEMORY_FRACTION = 0.5  # of the free memory, which the training itself needs too
_FOLDS = 100  # of groups, at most
_RANDOM_LABELS = 1  # a stream of its own beside the split's


@dataclass(frozen=True)
class DataSplits:
    """The three parts of a data set; no image, and no group, is in two of them.

    Attributes:
        name: what results call the data.
        train: what a model learns from; positions in it are the training-set indices.
        validation: what choices are made on.
        test: what is reported; nothing is chosen on it.
        augmentation: changes that preserve an image's class.
        settings: how the parts were made, fit for JSON: the options, the seed, where each part
            is from, the image size, and the counts per class.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    augmentation: Augmentation
    settings: dict[str, Any]


def load_data(
    options: DataOptions, *, seed: int, test_only: bool = False, everything: bool = False
) -> DataSplits:
    """Load data and split them; only the images that a part uses are decoded.

    If ``classes`` are named, the images of others are left out first, from all parts. Test and
    validation parts that the data bring are kept. What is missing is drawn from the training part:
    the test part (``test_fraction`` of it), then the validation part (``validation_fraction`` of
    the original one), stratified and by whole groups; images with several labels are drawn at
    random. ``train_limit`` is applied last, so it changes neither of the two.

    Args:
        options: which data, and how to split them.
        seed: of the draws; equal seeds give equal parts.
        test_only: accept data that bring a test part alone, with labels or without; the other parts
            are empty then.
        everything: all images are the test part, without a split; the other parts are empty.

    Raises:
        InputError: the data or an option is at fault; see the loaders.
    """
    source = find_source(options, test_only=test_only)
    if "train" in source.parts and not everything:
        try:
            positions = split_positions(source, options, seed=seed)
        except InputError as error:
            if not test_only or source.test is not None:
                raise
            raise InputError(f"{error}; or evaluate on all images, with --split all") from error
        parts = {name: _load(part, chosen, options) for name, (part, chosen) in positions.items()}
        expected = parts["train"].image_size
        for name, images in parts.items():
            if images.image_size != expected:
                raise InputError(
                    f"{name} images are {images.image_size[0]}x{images.image_size[1]} and train "
                    f"images {expected[0]}x{expected[1]}; expected one size, or set image_size to "
                    "resize them"
                )
    else:
        loaded = [
            _load(part, torch.arange(len(part.labels)), options) for part in source.parts.values()
        ]
        test = loaded[0] if len(loaded) == 1 else joined(loaded)
        parts = {"train": test.subset([]), "validation": test.subset([]), "test": test}
    if options.random_labels:  # the classes keep their sizes and become independent of the images
        train = parts["train"]
        order = np.random.default_rng([seed, _RANDOM_LABELS]).permutation(len(train))
        parts["train"] = replace(train, labels=train.labels[torch.from_numpy(order)])
    augmentation = source.augmentation
    if options.crop_padding is not None:
        augmentation = replace(augmentation, crop_padding=options.crop_padding)
    settings: dict[str, Any] = {
        **asdict(options),
        "seed": seed,
        "classes": list(source.classes),  # those that were asked for, or all
        "image_size_used": list(parts["train"].image_size),
        "sizes": {name: len(part) for name, part in parts.items()},
        "class_counts": {
            name: dict(zip(part.classes, class_counts(part.labels, part.num_classes), strict=True))
            for name, part in parts.items()
        },
        "validation_from": "data" if source.validation else "train",
        "test_from": "everything" if everything else "data" if source.test else "train",
        "augmentation": asdict(augmentation),
        "source": source.settings,
    }
    name = options.name or options.data
    return DataSplits(name=name, augmentation=augmentation, settings=settings, **parts)


def find_source(options: DataOptions, *, test_only: bool = False) -> Source:
    """Read the data that the options name, of their ``classes`` if given, before any split.

    Few images are decoded, if any. It raises `InputError` as `load_data` does.
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
    if not test_only and not source.classes:
        raise InputError(f"{argument} holds no folders; expected a folder for each class")
    if not test_only and "train" not in source.parts:
        raise InputError(
            f"data {options.data!r} holds a test part but no train part; expected both, or train "
            "alone"
        )
    if options.classes is None:
        return source
    return source.choose_classes(class_names(options.classes), options.data)


def split_positions(
    source: Source, options: DataOptions, *, seed: int
) -> dict[str, tuple[Part, Tensor]]:
    """Return the part that train, validation and test each take images from, and which ones.

    Raises:
        InputError: there is one class only, a class has too few images, the fractions leave
            nothing, or the data's own parts share a group.
    """
    train = source.train
    strata = _strata(train.labels, source.classes, options.data)
    owner: dict[int, str] = {}
    for name, part in source.parts.items():
        for group in [] if part.groups is None else np.unique(part.groups).tolist():
            if owner.setdefault(group, name) != name:
                raise InputError(
                    f"one group's images are in both the {owner[group]} and the {name} part that "
                    "the data bring; expected every group in one part"
                )
    left = torch.arange(len(train.labels))
    held: dict[str, tuple[Part, Tensor]] = {}
    taken = 0.0
    for name, brought in (("test", source.test), ("validation", source.validation)):
        if brought is not None:
            held[name] = (brought, torch.arange(len(brought.labels)))
            continue
        fraction = getattr(options, f"{name}_fraction")
        if taken + fraction >= 1:
            raise InputError(
                f"test_fraction and validation_fraction add up to {taken + fraction:.3g}; "
                "expected less than 1, so that something is left to train on"
            )
        rest, chosen = split_off(
            strata[left],
            None if train.groups is None else train.groups[left],
            fraction / (1 - taken),
            seed=seed,
            part=name,
            classes=("all images",) if is_multilabel(train.labels) else source.classes,
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
        left = left[limit(strata[left], options.train_limit, seed=seed)]
    return {"train": (train, left), "validation": held["validation"], "test": held["test"]}


def _load(part: Part, positions: Tensor, options: DataOptions) -> ImageSet:
    """Return the images in memory or, as asked for or where they do not fit, to be read lazily."""
    if part.lazy is None and options.loading == "lazy":
        raise InputError(
            f"loading is 'lazy', but data {options.data!r} cannot be read image by image; "
            "expected auto or memory, or the cache that scaat data convert makes of it"
        )
    if part.lazy is not None and options.loading != "memory":
        images = part.lazy(positions)
        available = available_memory()
        needed = prod(images.images.shape)
        fits = available is None or needed < available * _MEMORY_FRACTION
        if options.loading == "lazy" or not fits:
            return fit_set(images, options.image_size)
    return fit_set(part.load(positions), options.image_size)


def _strata(labels: Tensor, classes: Sequence[str], data: str) -> Tensor:
    """Return the class of each training image, int64 (N,): 0 where it has several labels."""
    if not is_multilabel(labels):
        if len(np.unique(labels)) < 2:
            raise InputError(f"data {data!r} has one class only; expected two or more")
        return labels
    for name, count in zip(classes, class_counts(labels, len(classes)), strict=True):
        if count in (0, len(labels)):
            raise InputError(
                f"label {name!r} is {'present' if count else 'absent'} in every training image of "
                f"data {data!r}; expected images with it and without it"
            )
    return labels.new_zeros(len(labels), dtype=torch.int64)


def split_off(
    labels: Tensor,
    groups: Tensor | None,
    fraction: float,
    *,
    seed: int,
    part: str,
    classes: Sequence[str],
) -> tuple[Tensor, Tensor]:
    """Draw a part that keeps every class's proportion and splits no group.

    Without groups its size is the fraction of all items, rounded up. With groups it is as close as
    whole groups allow: scikit-learn's `StratifiedGroupKFold` makes folds of them.

    Args:
        labels: int64 (N,), class ids.
        groups: int64 (N,), or None.
        fraction: of the items, between 0 and 1, exclusive.
        seed: of the draw.
        part: what messages call the part ("test"); its option is this and ``_fraction``.
        classes: the name of each class, for messages.

    Returns:
        The remaining positions and those of the part, both ascending, int64.

    Raises:
        InputError: a class has too few images (or groups) to be in both.
    """
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split

    units, unit = labels.bincount(), "images"
    if groups is not None:
        pairs = np.unique(torch.stack([labels, groups], dim=1).numpy(), axis=0)
        units, unit = torch.from_numpy(pairs[:, 0]).bincount(), "groups"
    least = ceil(max(1 / fraction, 1 / (1 - fraction)) - SLACK)

    def refuse(label: int) -> InputError:
        return InputError(
            f"class {classes[label]!r} has too few {unit} ({int(units[label])}) to be split: "
            f"a {part} part of {fraction:.3g} needs {least} or more; "
            f"set {part}_fraction nearer to 0.5, or bring more images"
        )

    for label in np.unique(labels).tolist():
        if units[label] < least:
            raise refuse(label)
    everything = np.arange(len(labels))
    if groups is None:
        size = ceil(fraction * len(labels) - SLACK)
        rest, held = train_test_split(
            everything, test_size=size, stratify=labels.numpy(), random_state=seed
        )
    else:
        ratio = _folds(fraction, min(len(np.unique(groups)), int(labels.bincount().max())))
        folds = StratifiedGroupKFold(ratio.denominator, shuffle=True, random_state=seed)
        dealt = [fold for _, fold in folds.split(everything, labels.numpy(), groups.numpy())]
        held = np.concatenate(dealt[: ratio.numerator])
        rest = np.setdiff1d(everything, held)
    for side in (rest, held):
        missing = np.setdiff1d(labels, labels[side])
        if len(missing):  # groups of very unequal size, or that mix classes
            raise refuse(int(missing[0]))
    return torch.from_numpy(np.sort(rest)), torch.from_numpy(np.sort(held))


def _folds(fraction: float, most: int) -> Fraction:
    """Return about a fraction: how many folds to hold out, of how many, ``most`` of them or fewer.

    It is within half of ``1 / most``, which must not exceed the fraction and what is left of 1.
    """
    ratio = Fraction(fraction).limit_denominator(_FOLDS)
    ratio = min(max(ratio, Fraction(1, _FOLDS)), Fraction(_FOLDS - 1, _FOLDS))
    if ratio.denominator <= most:
        return ratio
    # The fewest folds that do: each holds several groups, so they differ less.
    ratios = (Fraction(round(fraction * folds), folds) for folds in range(2, most + 1))
    return next(ratio for ratio in ratios if abs(ratio - fraction) <= 0.5 / most + SLACK)


def limit(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """Choose items at random so that every class keeps its proportion, to within one item.

    The choice for a smaller count, 1 to N, is part of that for a greater one. Labels are int64
    (N,), the result the ascending positions, int64 (count,).
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    due = torch.empty(len(labels), dtype=torch.float64)
    for label in np.unique(labels).tolist():
        members = shuffled[labels[shuffled] == label]
        # The k-th of a class's n members is due once this fraction of all items is taken.
        due[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return due.argsort(stable=True)[:count].sort().values
