"""Shards in WebDataset's layout: tar files in which a sample's files share their name's stem.

Images are read in place, by an index of the tar files' headers.
"""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.data.augmentation import COMMON
from scaat.data.decoding import Encoded, Take
from scaat.data.registry import MOST_UNNAMED, Source, dataset, encoded_part, part_files
from scaat.errors import InputError
from scaat.options.data import DataOptions

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp")
LABELS = ("cls", "json")
TWICE = "sample {!r} occurs twice, in {} the second time; expected every key once over all shards"
CODEC = ("utf-8", "surrogatepass")  # sorted bytes are then sorted strings, whatever they hold


def read_members(
    shards: list[str], keys: NDArray[np.bytes_], places: Tensor, positions: Tensor
) -> Iterator[Encoded]:
    """Yield the encoded images at int64 (M,) positions, inside tar files.

    Names are encoded (N,): a list of strings would take thrice the memory, copied in each worker.
    Places are int64 (N, 3): shard, first byte, number of bytes.
    """
    for position in positions.tolist():
        shard, start, size = places[position].tolist()
        with open(shards[shard], "rb") as file:
            file.seek(start)
            yield f"{keys[position].decode(*CODEC)} in {shards[shard]}", file.read(size)


@dataset("webdataset", "PATTERN", "tar shards in WebDataset's layout")
def load_webdataset(argument: str, options: DataOptions) -> Source:
    """Return the samples of shards, in the order of their keys; the index is made at each start.

    ``PATTERN`` is a folder with ``train*.tar`` and perhaps ``val*.tar`` and ``test*.tar``, or names
    with ``*`` or braces (``shards-{000..012}.tar``) of a training part. A sample is an image and
    its label: ``KEY.cls`` with a class id, or ``KEY.json`` with ``label`` or ``cls``. Its position
    follows from its key, so SCAAT's proportions survive another sharding.

    Raises:
        InputError: There are no shards, one is damaged or compressed, a key occurs twice, or a
            sample lacks its image or label.
    """
    indexed = {name: _indexed(shards) for name, shards in _shards(argument).items()}
    greatest = max(int(labels.max()) for _, labels in indexed.values())
    classes = tuple(map(str, range(greatest + 1)))
    parts = {
        name: encoded_part(take, labels, classes, options.image_size)
        for name, (take, labels) in indexed.items()
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
        shards = part_files(root, ".tar")
        if not shards:
            raise InputError(f"{root} holds no train*.tar; expected shards")
        return shards
    train = []
    for name in expand_braces(str(root)):
        matched = sorted(map(Path, glob.glob(name)))
        if not matched:
            raise InputError(f"no file matches {name}; expected a tar file, or a pattern of some")
        train += matched
    return {"train": train}


def _indexed(shards: list[Path]) -> tuple[Take, Tensor]:
    read = [_read_index(shard, number) for number, shard in enumerate(shards)]
    keys = np.concatenate([keys for keys, _ in read])
    rows = np.concatenate([rows for _, rows in read])
    if not len(keys):
        raise InputError(f"{shards[0]} and the other shards hold no samples")
    order = keys.argsort(kind="stable")
    keys, rows = keys[order], rows[order]
    for faulty, fault in (
        (np.append(False, keys[1:] == keys[:-1]), TWICE),
        (rows[:, 1] < 0, f"sample {{!r}} in {{}} has no image ({', '.join(IMAGES)})"),
        (rows[:, 3] < 0, f"sample {{!r}} in {{}} has no label ({', '.join(LABELS)})"),
    ):
        for row in np.flatnonzero(faulty)[:1].tolist():
            raise InputError(fault.format(keys[row].decode(*CODEC), shards[rows[row, 0]]))
    take = partial(read_members, list(map(str, shards)), keys, torch.from_numpy(rows[:, :3]))
    return take, torch.from_numpy(rows[:, 3].copy())


def _read_index(shard: Path, number: int) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Return a shard's keys (N,), and int64 (N, 4): number, image's first byte and bytes, label.

    -1 stands for what is missing.
    """
    samples: dict[str, list[int]] = {}
    try:
        _require_end(shard)
        with tarfile.open(shard, "r:") as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                # tarfile would keep all headers, 900 bytes a sample.
                tar.members.clear()  # type: ignore[attr-defined]
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                sample = samples.setdefault(key, [number, -1, -1, -1])
                ending = ending.lower()
                if ending not in (*IMAGES, *LABELS):
                    continue
                if sample[1 if ending in IMAGES else 3] >= 0:
                    raise InputError(TWICE.format(key, shard))
                if ending in IMAGES:
                    sample[1:3] = member.offset_data, member.size
                elif file := tar.extractfile(member):
                    sample[3] = _label(file.read(), ending, key, shard)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(
            f"shard {shard} is damaged, cut short or compressed ({error}); expected a plain tar "
            "file"
        ) from error
    keys = np.array([key.encode(*CODEC) for key in samples], np.bytes_)
    return keys, np.array(list(samples.values()), np.int64).reshape(-1, 4)


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
