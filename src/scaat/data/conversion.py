"""Write a data set as a cache: one pass over the images, a few of them in memory at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.cache import BESIDE, DESCRIPTION, FORMAT, IMAGES, VERSION, checksum
from scaat.data.image_set import ImageSet
from scaat.data.loading import find_source
from scaat.data.registry import Part
from scaat.data.resizing import fit_set
from scaat.errors import InputError, WriteError
from scaat.files import new_folder, require_new, write_json
from scaat.options.data import DataOptions

CHUNK = 256  # images decoded at a time
READING = ("data", "image_size", "group", "inclusive_boxes", "classes")
"""The options that say how data are read, as opposed to split and trained on."""

Progress = Callable[[str, int, int], None]
"""Called with the part at work, its images done, and their number."""


def convert(options: DataOptions, out: Path, progress: Progress) -> dict[str, int]:
    """Decode a data set into a folder that ``cache:OUT`` reads; see `scaat.data.cache`.

    The parts are those that the data bring; how they are split is chosen when the cache is used.
    The folder is written beside its place and renamed at the end, so a conversion that stops
    leaves nothing under ``out``.

    Args:
        options: Which data; of the others only `READING` is used.
        out: A folder that does not exist, or is empty.
        progress: Called after every chunk of images.

    Returns:
        The number of images of each part.

    Raises:
        InputError: The data are at fault, or ``out`` exists.
        WriteError: The disk is full, or cannot be written.
    """
    require_new(out)
    source = find_source(options)
    with new_folder(out) as beside:
        described = {
            name: _write_part(part, beside / name, out, options, name, progress)
            for name, part in source.parts.items()
        }
        fields = asdict(options)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "classes": list(source.classes),
            "augmentation": asdict(source.augmentation),
            "options": {key: fields[key] for key in READING},
            "settings": source.settings,
            "parts": described,
        }
        write_json(beside / DESCRIPTION, content)
    return {name: part["shape"][0] for name, part in described.items()}


def _write_part(
    part: Part, folder: Path, out: Path, options: DataOptions, name: str, progress: Progress
) -> dict[str, Any]:
    """Write a part's files and return their description."""
    folder.mkdir(parents=True)
    count = len(part.labels)
    chunks = _chunks(part, options)
    first = next(chunks)
    shape = (count, *first.images.shape[1:])
    _require_space(shape, out)
    beside: dict[str, list[Tensor]] = {key: [] for key in BESIDE if getattr(first, key) is not None}
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    done = 0
    # Not a mapped file: a full disk would end the process.
    with (folder / IMAGES).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for images in _chain(first, chunks):
            if images.images.shape[1:] != shape[1:]:
                raise InputError(
                    f"images {done} and after of the {name} part are "
                    f"{'x'.join(map(str, images.image_size))} but the first one is "
                    f"{'x'.join(map(str, first.image_size))}; expected one size, or set "
                    "image_size to resize them"
                )
            file.write(images.pixels().contiguous().numpy().data)
            for key, values in beside.items():
                values.append(getattr(images, key))
            done += len(images)
            progress(name, done, count)
    files = {}
    for key, values in beside.items():
        np.save(folder / f"{key}.npy", torch.cat(values).numpy())
        files[key] = checksum(folder / f"{key}.npy")
    return {"shape": list(shape), "files": files}


def _chunks(part: Part, options: DataOptions) -> Iterator[ImageSet]:
    for positions in torch.split(torch.arange(len(part.labels)), CHUNK):
        images = part.load(positions)
        yield images if options.image_size is None else fit_set(images, options.image_size)


def _chain(first: ImageSet, rest: Iterator[ImageSet]) -> Iterator[ImageSet]:
    yield first
    yield from rest


def _require_space(shape: tuple[int, ...], out: Path) -> None:
    count, channels, height, width = shape
    needed = count * channels * height * width
    free = shutil.disk_usage(out.absolute().parent).free
    if needed > free:
        raise WriteError(
            f"cache {str(out)!r} needs {needed / 2**30:.1f} GiB for {count} images of "
            f"{height}x{width} and {free / 2**30:.1f} GiB are free; set image_size lower, or "
            "choose another disk"
        )
