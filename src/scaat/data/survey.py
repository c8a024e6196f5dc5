"""A look at a data set before anything is trained on it, mostly at its files' headers."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.data.decoding import Encoded, decode_image, read_size
from scaat.data.registry import Part, Source
from scaat.errors import InputError

MOST = 20_000  # headers of a part that are read
DECODED, DECODED_LEAST = 500, 20  # images of a part of which the pixels are looked at
LOADED = 100  # of a part whose images are no files
STARK = 0.5  # share of nearly black and white values; digits have 0.53, photos about 0.2
PIXELS = 200_000_000  # that are decoded, roughly: some seconds of work

Progress = Callable[[str, int, int], None]
"""Called with the part at work, its images done, and their number."""


@dataclass(frozen=True)
class Seen:
    """Where an image was found."""

    part: str
    name: str
    label: int


@dataclass
class Survey:
    """What was found.

    Attributes:
        classes: The name of each class.
        counts: By part, the images of each class.
        looked_at: Images whose size is known.
        sizes: How many images have each height and width, in pixels.
        decoded: Images whose pixels were looked at.
        grey: How many of them have three equal channels, or one.
        stark: Share of their pixel values that are in the lowest or the highest eighth.
        unreadable: Why each image that cannot be read cannot, by its name.
        twins: Images that are the same file, byte for byte; two places or more each.
        groups: How many groups the files' names suggest, or None: ``slide3_x10_y20.png`` and
            ``slide3_x11_y20.png`` look like one's.
    """

    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    looked_at: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    decoded: int = 0
    grey: int = 0
    stark: float = 0.0
    unreadable: dict[str, str] = field(default_factory=dict)
    twins: list[list[Seen]] = field(default_factory=list)
    groups: int | None = None

    @property
    def drawings(self) -> bool:
        """Whether the images are grey, with little between black and white."""
        return self.grey == self.decoded > 0 and self.stark >= STARK

    @property
    def images(self) -> int:
        """The number of all images."""
        return sum(map(sum, self.counts.values()))


def survey(source: Source, progress: Progress) -> Survey:
    """Look at a data set: sizes, colour, stark contrast, unreadable files, twins, groups.

    Of encoded images the headers are read (evenly spaced ones of a part with more than 20,000),
    files of equal size are compared by their content, and up to 500 images are decoded. Of other
    data up to 100 images a part are loaded.

    Args:
        source: The data.
        progress: Called as the work goes on.
    """
    counts = {
        name: part.labels.bincount(minlength=len(source.classes)).tolist()
        for name, part in source.parts.items()
    }
    found = Survey(source.classes, counts)
    paths: dict[int, list[tuple[Seen, Path]]] = defaultdict(list)
    contents: dict[bytes, list[Seen]] = defaultdict(list)
    pixels = _Pixels()
    for name, part in source.parts.items():
        if part.encoded is None:
            _load(found, part, pixels)
            continue
        chosen = _spaced(len(part.labels), MOST)
        for done, (position, item) in enumerate(zip(chosen, part.encoded(chosen), strict=True)):
            seen = Seen(name, item[0], int(part.labels[position]))
            if _header(found, item):
                if isinstance(item[1], Path):
                    paths[item[1].stat().st_size].append((seen, item[1]))
                elif isinstance(item[1], bytes):
                    contents[_digest(item[1])].append(seen)
            progress(name, done + 1, len(chosen))
        _decode(found, part, pixels)
    for alike in paths.values():
        if len(alike) > 1:
            for seen, path in alike:
                contents[_digest(path.read_bytes())].append(seen)
    found.twins = [places for places in contents.values() if len(places) > 1]
    found.decoded, found.grey, found.stark = pixels.images, pixels.grey, pixels.stark
    found.groups = suggested_groups(
        [path for alike in paths.values() for _, path in alike], len(source.classes)
    )
    return found


def suggested_groups(paths: Sequence[Path], classes: int) -> int | None:
    """Return how many groups the names of files suggest, or None if they suggest none.

    A name without its counter (``_03``) or coordinates (``_x10_y20``) names the group, if there are
    more such names than two a class and at least two files have each on average.
    """
    names = {(path.parent, _COUNTER.sub("", path.stem)) for path in paths}
    return len(names) if 2 * classes < len(names) <= len(paths) / 2 else None


_COUNTER = re.compile(r"((?:[_\-. ]?[xyrc]\d+)+|[_\-. ]\d+)$")


class _Pixels:
    """Adds up what the pixels of images tell."""

    def __init__(self) -> None:
        self.images = 0
        self.grey = 0
        self._extreme = 0
        self._values = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take in an image, uint8 (H, W, C)."""
        self.images += 1
        self.grey += bool((image == image[..., :1]).all())
        self._extreme += int(((image < 32) | (image >= 224)).sum())
        self._values += image.size

    @property
    def stark(self) -> float:
        return self._extreme / max(1, self._values)


def _load(found: Survey, part: Part, pixels: _Pixels) -> None:
    images = part.load(_spaced(len(part.labels), LOADED))
    found.looked_at += len(images)
    found.sizes[images.image_size] += len(images)
    for image in images.pixels().permute(0, 2, 3, 1).numpy():
        pixels.add(image)


def _header(found: Survey, item: Encoded) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about strange but readable files
            size = read_size(item)
    except InputError as error:
        found.unreadable[item[0]] = str(error)
        return False
    found.looked_at += 1
    found.sizes[size] += 1
    return True


def _decode(found: Survey, part: Part, pixels: _Pixels) -> None:
    if part.encoded is None or not found.sizes:
        return
    areas = [height * width for height, width in found.sizes]
    typical = float(np.median(np.repeat(areas, list(found.sizes.values()))))
    most = int(min(DECODED, max(DECODED_LEAST, PIXELS / typical)))
    for item in part.encoded(_spaced(len(part.labels), most)):
        if item[0] in found.unreadable:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pixels.add(decode_image(item, None)[0])
        except InputError as error:
            found.unreadable[item[0]] = str(error)


def _spaced(count: int, most: int) -> Tensor:
    """Return evenly spaced positions, int64, at most so many."""
    chosen = min(count, most)
    return torch.arange(chosen) * count // max(1, chosen)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
