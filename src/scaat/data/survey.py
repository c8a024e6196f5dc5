"""A look at a data set before training: mostly at its files' headers, or at every image."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.data.cache import CHUNK, Progress
from scaat.data.decoding import Like, decode_image, read_size
from scaat.data.image_set import spaced
from scaat.data.registry import Part, Source
from scaat.errors import InputError
from scaat.functional.logits import is_multilabel

MOST = 20_000  # headers of a part that are read
DECODED, DECODED_LEAST = 500, 20  # images of a part whose pixels are read
LOADED = 100  # of a part whose images are no files
PIXELS = 200_000_000  # that are decoded, roughly: some seconds of work
# The "r12" that ends "tumour12" is no coordinate, that of "a1r12" or "a_r12" is.
_COUNTER = re.compile(r"((?:[_\-. ]?(?<![a-zA-Z])[xyrc]\d+)+|[_\-. ]\d+)$")


@dataclass(frozen=True)
class Seen:
    """Where an image is."""

    part: str
    name: str  # for messages
    label: int


@dataclass
class Survey:
    """What is known of a data set.

    ``sizes`` are how many images have each height and width in pixels, ``duplicates`` the places
    of images that are the same file byte for byte, two or more each, and ``groups`` how many the
    names of files suggest: ``slide3_x10_y20.png`` and ``slide3_x11_y20.png`` look like one's.
    """

    classes: tuple[str, ...]
    counts: dict[str, list[int]]  # by part, the images of each class
    looked_at: int = 0  # images whose size is known
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    decoded: int = 0  # images whose pixels were read
    grey: int = 0  # how many of them have three equal channels, or one
    unreadable: dict[str, str] = field(default_factory=dict)  # why, by the image's name
    duplicates: list[list[Seen]] = field(default_factory=list)
    groups: int | None = None

    @property
    def images(self) -> int:
        """The number of all images."""
        return sum(map(sum, self.counts.values()))

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take an image's pixels into account, uint8 (H, W, C)."""
        self.decoded += 1
        self.grey += bool((image == image[..., :1]).all())


def survey(source: Source, progress: Progress) -> Survey:
    """Look at a data set: sizes, colour, unreadable files, duplicates, groups.

    Of encoded images the headers are read (evenly spaced ones of a part with more than 20,000),
    files of equal size are compared by their content, and up to 500 images are decoded. Of other
    data up to 100 images a part are loaded. Several labels an image are an `InputError`.
    """
    if is_multilabel(source.train.labels):
        raise InputError("the data have several labels an image; expected one, to suggest settings")
    counts = {
        name: part.labels.bincount(minlength=len(source.classes)).tolist()
        for name, part in source.parts.items()
    }
    result = Survey(source.classes, counts)
    paths: dict[int, list[tuple[Seen, Path]]] = defaultdict(list)
    contents: dict[bytes, list[Seen]] = defaultdict(list)
    for name, part in source.parts.items():
        if part.encoded is None:
            images = part.load(spaced(len(part.labels), LOADED))
            result.looked_at += len(images)
            result.sizes[images.image_size] += len(images)
            for image in images.pixels().permute(0, 2, 3, 1).numpy():
                result.add(image)
            continue
        chosen = spaced(len(part.labels), MOST)
        for done, (position, item) in enumerate(zip(chosen, part.encoded(chosen), strict=True)):
            seen = Seen(name, item[0], int(part.labels[position]))
            with _naming(result, item[0]):
                result.sizes[read_size(item)] += 1
                result.looked_at += 1
                if isinstance(item[1], Path):
                    paths[item[1].stat().st_size].append((seen, item[1]))
                elif isinstance(item[1], bytes):
                    contents[_digest(item[1])].append(seen)
            progress(name, done + 1, len(chosen))
        areas = [height * width for height, width in result.sizes.elements()]
        most = int(min(DECODED, max(DECODED_LEAST, PIXELS / np.median(areas)))) if areas else 0
        for item in part.encoded(spaced(len(part.labels), most)):
            if item[0] not in result.unreadable:
                with _naming(result, item[0]):
                    result.add(decode_image(item, None)[0])
    alike = [pair for pairs in paths.values() if len(pairs) > 1 for pair in pairs]
    for seen, path in alike:
        contents[_digest(path.read_bytes())].append(seen)
    result.duplicates = [places for places in contents.values() if len(places) > 1]
    every = [path for pairs in paths.values() for _, path in pairs]
    result.groups = suggested_groups(every, len(source.classes))
    return result


def suggested_groups(paths: Sequence[Path], classes: int) -> int | None:
    """Return how many groups the names of files suggest, or None if they suggest none.

    A name without its counter (``_03``) or coordinates (``_x10_y20``) names the group, if there are
    more such names than two a class and at least two files have each on average.
    """
    names = {(path.parent, _COUNTER.sub("", path.stem)) for path in paths}
    return len(names) if 2 * classes < len(names) <= len(paths) / 2 else None


def broken_images(source: Source, progress: Progress) -> Iterator[str]:
    """Decode everything; yield a sentence for each image that cannot be read, and on other sizes.

    Images of files and bytes must have the size of the first one that can be read, in any part.
    """
    first: Like | None = None

    def look(part: Part, positions: Tensor) -> Iterator[str]:
        """Halve what cannot be read, or differs in size, until the images at fault are left."""
        nonlocal first
        try:
            size = part.load(positions).image_size
        except InputError as error:
            if len(positions) == 1:
                yield str(error)
                return
            half = len(positions) // 2
            sentences = [*look(part, positions[:half]), *look(part, positions[half:])]
            yield from sentences or [str(error)]  # such as more than the memory
            return
        if part.encoded is None or (first and size == first[1]):
            return
        ((name, _),) = part.encoded(positions[:1])
        if first is None:
            first = name, size
            return
        others = len(positions) - 1
        subject = f"{name} and {others} more from there on are" if others else f"{name} is"
        yield (
            f"{subject} {size[0]}x{size[1]} but {first[0]} is {first[1][0]}x{first[1][1]}; "
            "expected one size (height x width), or set image_size to resize them"
        )

    for part_name, part in source.parts.items():
        for positions in torch.split(torch.arange(len(part.labels)), CHUNK):
            yield from look(part, positions)
            progress(part_name, int(positions[-1]) + 1, len(part.labels))


@contextmanager
def _naming(result: Survey, name: str) -> Iterator[None]:
    """Record an image that cannot be read; Pillow warns about strange but readable files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError as error:
        result.unreadable[name] = str(error)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
