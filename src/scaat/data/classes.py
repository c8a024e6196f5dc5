"""Some of a data set's classes, in an order of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scaat.data.decoding import Encoded
from scaat.data.image_set import ImageSet
from scaat.data.registry import Part, Source
from scaat.errors import InputError, unknown


def choose_classes(source: Source, names: tuple[str, ...], data: str) -> Source:
    """Return a data set without the images of other classes; nothing is decoded.

    The images keep their order, and everything that is known of them; a class's id becomes the
    place of its name.

    Args:
        source: the data.
        names: of two classes or more, all different.
        data: what messages call the data.

    Raises:
        InputError: a name is none of the data's or that of two classes, or a part that the data
            bring is left without images (the training part: without those of a class).
    """
    for name in names:
        if name not in source.classes:
            raise unknown(f"class of data {data!r}", name, source.classes)
        if source.classes.count(name) > 1:
            raise InputError(
                f"classes names {name!r}, as {source.classes.count(name)} classes of data "
                f"{data!r} are called; expected names that only one class has"
            )
    ids = torch.full((len(source.classes),), -1)
    ids[[source.classes.index(name) for name in names]] = torch.arange(len(names))
    parts = {key: _chosen(part, ids, names) for key, part in source.parts.items()}
    known = set(parts["train"].labels.tolist())
    for number, name in enumerate(names):
        if number not in known:
            raise InputError(
                f"classes names {name!r}, of which data {data!r} has no training image; expected "
                "classes that have some"
            )
    for key, part in parts.items():
        if not len(part.labels):
            raise InputError(
                f"the {key} part of data {data!r} has no image of the classes {', '.join(names)}; "
                "expected some of each"
            )
    return replace(
        source,
        classes=names,
        train=parts["train"],
        validation=parts.get("validation"),
        test=parts.get("test"),
    )


def _chosen(part: Part, ids: Tensor, names: tuple[str, ...]) -> Part:
    """Return a part's images of some classes; ``ids`` holds the new id of each old one, or -1."""
    rows = torch.from_numpy(np.flatnonzero(ids[part.labels] >= 0))

    def renumbered(read: Callable[[Tensor], ImageSet]) -> Callable[[Tensor], ImageSet]:
        def chosen(positions: Tensor) -> ImageSet:
            images = read(rows[positions])
            return replace(images, labels=ids[images.labels], classes=names)

        return chosen

    return Part(
        ids[part.labels[rows]],
        renumbered(part.load),
        None if part.groups is None else part.groups[rows],
        None if part.lazy is None else renumbered(part.lazy),
        None if part.encoded is None else _encoded(part.encoded, rows),
    )


def _encoded(
    encoded: Callable[[Tensor], Iterator[Encoded]], rows: Tensor
) -> Callable[[Tensor], Iterator[Encoded]]:
    return lambda positions: encoded(rows[positions])
