"""Train, validation and test: what they hold, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.image_set import ImageSet
from scaat.errors import InputError

SLACK = 1e-9  # of a share times a count: 0.7 * 10 must not round up to 8


@dataclass(frozen=True)
class DataSplits:
    """The three parts of a data set; no image, and no group, is in two of them.

    Attributes:
        name: what results call the data.
        train: what a model learns from; its positions are the training-set indices.
        validation: what choices are made on.
        test: what is reported; nothing is chosen on it.
        augmentation: what leaves an image's class as it is.
        settings: how the parts came about, fit for JSON: the options, the seed, whose choice
            each part was, the image size, and the counts per class.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    augmentation: Augmentation
    settings: dict[str, Any]


def split_off(
    labels: Tensor,
    groups: Tensor | None,
    share: float,
    *,
    seed: int,
    part: str,
    classes: Sequence[str],
) -> tuple[Tensor, Tensor]:
    """Draw a part in which every class keeps its share and groups stay whole.

    Without groups the part's size is the share of all items, rounded up. With groups it comes as
    close as whole groups allow: scikit-learn's `StratifiedGroupKFold` deals the groups into
    folds, of which the part takes its share.

    Args:
        labels: int64 (N,), class ids.
        groups: int64 (N,), or None.
        share: of the items, between 0 and 1, exclusive.
        seed: of the draw.
        part: what messages call the part ("test"); its option is this and ``_fraction``.
        classes: the name of each class, for messages.

    Returns:
        The positions that are left and those of the part, both ascending, int64.

    Raises:
        InputError: a class has too few images (or groups) to be in both.
    """
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split

    units = labels.bincount() if groups is None else _groups_per_class(labels, groups)
    unit = "images" if groups is None else "groups"
    least = ceil(max(1 / share, 1 / (1 - share)) - SLACK)

    def refuse(label: int) -> InputError:
        return InputError(
            f"class {classes[label]!r} has too few {unit} ({int(units[label])}) to be split: "
            f"a {part} part of {share:.3g} needs {least} or more; "
            f"set {part}_fraction nearer to 0.5, or bring more images"
        )

    for label in np.unique(labels).tolist():
        if units[label] < least:
            raise refuse(label)
    everything = np.arange(len(labels))
    if groups is None:
        size = ceil(share * len(labels) - SLACK)
        rest, held = train_test_split(
            everything, test_size=size, stratify=labels.numpy(), random_state=seed
        )
    else:
        ratio = Fraction(share).limit_denominator(100) or Fraction(1, 100)
        folds = StratifiedGroupKFold(ratio.denominator, shuffle=True, random_state=seed)
        dealt = [fold for _, fold in folds.split(everything, labels.numpy(), groups.numpy())]
        held = np.concatenate(dealt[: ratio.numerator])
        rest = np.setdiff1d(everything, held)
    for side in (rest, held):
        missing = set(labels.tolist()) - set(labels[side].tolist())
        if missing:  # groups of very unequal size, or that mix classes
            raise refuse(min(missing))
    return torch.from_numpy(np.sort(rest)), torch.from_numpy(np.sort(held))


def limit(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """Choose items at random so that every class keeps its share, to within one item.

    The choice for a smaller count is part of that for a greater one.

    Args:
        labels: int64 (N,), class ids.
        count: how many to choose, 1 to N.
        seed: of the draw.

    Returns:
        The ascending positions chosen, int64 (count,).
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    due = torch.empty(len(labels), dtype=torch.float64)
    for label in np.unique(labels).tolist():
        members = shuffled[labels[shuffled] == label]
        # The k-th of a class's n members is due when this share of all items has been taken.
        due[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return due.argsort(stable=True)[:count].sort().values


def _groups_per_class(labels: Tensor, groups: Tensor) -> Tensor:
    pairs = np.unique(torch.stack([labels, groups], dim=1).numpy(), axis=0)
    return torch.from_numpy(pairs[:, 0]).bincount()
