"""Shards in WebDataset's layout: tar files in which a sample's files share their name's stem.

Images are read in place, by an index of the tar files' headers; the ``datasets`` library would
copy them into its cache first, and has no order that survives another sharding.
"""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from scaat.data.augmentation import COMMON
from scaat.data.decoding import Encoded
from scaat.data.registry import MOST_UNNAMED, DataEntry, Source, datasets, encoded_part
from scaat.errors import InputError
from scaat.options.data import DataOptions

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp")
LABELS = ("cls", "json")
PARTS = {"train": "train*.tar", "validation": "val*.tar", "test": "test*.tar"}


@dataclass
class _Sample:
    """What the shards hold of one sample; the image as its first byte and number of bytes."""

    shard: int
    image: tuple[int, int] | None = None
    label: int | None = None


class Members:
    """Encoded images inside tar files.

    Args:
        shards: the files.
        keys: the samples' names.
        places: int64 (N, 3): shard, first byte, number of bytes.
    """

    def __init__(self, shards: list[Path], keys: list[str], places: Tensor) -> None:
        self._shards = [str(shard) for shard in shards]
        self._keys = keys
        self._places = places

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, positions: Tensor) -> Iterator[Encoded]:
        """Yield the samples at these positions."""
        for position in positions.tolist():
            shard, start, size = self._places[position].tolist()
            with open(self._shards[shard], "rb") as file:
                file.seek(start)
                yield f"{self._keys[position]} in {self._shards[shard]}", file.read(size)


def load_webdataset(argument: str, options: DataOptions) -> Source:
    """Return the samples of shards, in the order of their keys.

    ``PATTERN`` is a folder with ``train*.tar`` and perhaps ``val*.tar`` and ``test*.tar``, or
    names with ``*`` or braces (``shards-{000..012}.tar``) of a training part. A sample is an
    image and its label: ``KEY.cls`` with a class id, or ``KEY.json`` with ``label`` or ``cls``.
    A sample's position follows from its key, whatever shard holds it, so SCAAT's proportions
    survive another sharding. The index is made at each start.

    Raises:
        InputError: There are no shards, one is damaged or compressed, a key occurs twice, or a
            sample lacks its image or label.
    """
    indexed = {name: _indexed(shards) for name, shards in _shards(argument).items()}
    greatest = max(int(labels.max()) for _, labels in indexed.values())
    classes = tuple(map(str, range(greatest + 1)))
    parts = {
        name: encoded_part(members, labels, classes, options.image_size)
        for name, (members, labels) in indexed.items()
    }
    return Source.of_parts(classes, parts, COMMON)


def expand_braces(pattern: str) -> list[str]:
    """Return the names that ``{000..012}`` and ``{a,b}`` in a pattern mean."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    choices = [[piece] if i % 2 == 0 else _choices(piece) for i, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in product(*choices)]


def _choices(text: str) -> list[str]:
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if numbers is None:
        return text.split(",")
    first, last = numbers.groups()
    return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]


def _shards(argument: str) -> dict[str, list[Path]]:
    root = Path(argument).expanduser()
    if root.is_dir():
        shards = {part: sorted(root.glob(pattern)) for part, pattern in PARTS.items()}
        if not shards["train"] and (shards["validation"] or not shards["test"]):
            raise InputError(f"{root} holds no {PARTS['train']}; expected shards")
        return {part: paths for part, paths in shards.items() if paths}
    train = []
    for name in expand_braces(str(root)):
        matched = sorted(map(Path, glob.glob(name)))
        if not matched:
            raise InputError(f"no file matches {name}; expected a tar file, or a pattern of some")
        train += matched
    return {"train": train}


def _indexed(shards: list[Path]) -> tuple[Members, Tensor]:
    samples: dict[str, _Sample] = {}
    for number, shard in enumerate(shards):
        _read_index(shard, number, samples)
    if not samples:
        raise InputError(f"{shards[0]} and the other shards hold no samples")
    places, labels = [], []
    for key, sample in sorted(samples.items()):
        shard = shards[sample.shard]
        if sample.image is None:
            raise InputError(f"sample {key!r} in {shard} has no image ({', '.join(IMAGES)})")
        if sample.label is None:
            raise InputError(f"sample {key!r} in {shard} has no label ({', '.join(LABELS)})")
        places.append((sample.shard, *sample.image))
        labels.append(sample.label)
    return Members(shards, sorted(samples), torch.tensor(places)), torch.tensor(labels)


def _read_index(shard: Path, number: int, samples: dict[str, _Sample]) -> None:
    try:
        _require_end(shard)
        with tarfile.open(shard, "r:") as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                sample = samples.setdefault(key, _Sample(number))
                ending = ending.lower()
                if ending not in (*IMAGES, *LABELS):
                    continue
                known = sample.image if ending in IMAGES else sample.label
                if sample.shard != number or known is not None:
                    raise InputError(
                        f"sample {key!r} occurs twice, in {shard} the second time; expected every "
                        "key once over all shards"
                    )
                if ending in IMAGES:
                    sample.image = (member.offset_data, member.size)
                elif file := tar.extractfile(member):
                    sample.label = _label(file.read(), ending, key, shard)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(
            f"shard {shard} is damaged, cut short or compressed ({error}); expected a plain tar "
            "file"
        ) from error


def _require_end(shard: Path) -> None:
    """Raise unless the end of the tar file is there: tarfile accepts a file that is cut short."""
    with shard.open("rb") as file:
        file.seek(-min(2 * tarfile.BLOCKSIZE, shard.stat().st_size), os.SEEK_END)
        if file.read() != bytes(2 * tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it has no end")


def _label(content: bytes, ending: str, key: str, shard: Path) -> int:
    try:
        if ending == "cls":
            label = int(content)
        else:
            described = json.loads(content)
            label = described["label"] if "label" in described else described["cls"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"label of sample {key!r} in {shard} cannot be read; expected a class id in .cls, or "
            "label or cls in .json"
        ) from error
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < MOST_UNNAMED:
        raise InputError(
            f"sample {key!r} in {shard} has label {label!r}; expected an integer from 0 to "
            f"{MOST_UNNAMED - 1:,}"
        )
    return label


datasets.register("webdataset")(
    DataEntry(load_webdataset, "PATTERN", "tar shards in WebDataset's layout")
)
