"""A data set converted once to decoded images in one mapped file a part.

The format: a folder with ``cache.json`` and, for each part that the data brought (``train``,
``validation``, ``test``), a folder with ``images.npy``, uint8 (N, C, H, W); ``labels.npy``, int64
(N,); and, where known, ``boxes.npy``, ``masks.npy`` and ``groups.npy`` as in `ImageSet`.
``cache.json`` holds the format's version, the classes, the augmentation, the shapes, what was
converted, and the SHA-256 of every file but the images.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.image_set import ImageSet
from scaat.data.memory import require_memory
from scaat.data.pixels import MappedPixels, Pixels
from scaat.data.registry import DataEntry, Part, Source, datasets
from scaat.errors import InputError
from scaat.options.data import DataOptions

DESCRIPTION = "cache.json"
FORMAT = "scaat image cache"
VERSION = 1
IMAGES = "images.npy"
BESIDE = ("labels", "boxes", "masks", "groups")
"""What lies beside the images, under its name in `ImageSet`."""


def load_cache(argument: str, options: DataOptions) -> Source:
    """Return the parts of a folder that ``scaat data convert`` wrote; the images stay in files.

    Raises:
        InputError: The folder is no cache, of another version, incomplete or damaged, or an
            option asks for what was not converted.
    """
    folder = Path(argument).expanduser()
    found = _description(folder / DESCRIPTION)
    try:
        classes = tuple(found["classes"])
        parts = {
            name: _part(folder / name, part, classes, options)
            for name, part in found["parts"].items()
        }
        augmentation = Augmentation(**found["augmentation"])
        converted, settings = found["options"], found["settings"]
        train = parts["train"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / DESCRIPTION} is damaged ({error!r}); convert the data again"
        ) from error
    if options.group not in (None, converted.get("group")):
        raise InputError(
            f"group is {options.group!r}, but cache {folder} was converted with group "
            f"{converted.get('group')!r}; expected the same, or convert again"
        )
    return Source(
        classes,
        train,
        parts.get("validation"),
        parts.get("test"),
        augmentation=augmentation,
        settings={"converted_from": converted, **settings},
    )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path.parent} holds no {DESCRIPTION}; expected a folder that 'scaat data convert' "
            "wrote to its end"
        ) from error
    except (OSError, ValueError) as error:  # a JSONDecodeError is a ValueError
        raise InputError(f"{path} cannot be read ({error})") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path} is no description of a {FORMAT}")
    if found.get("version") != VERSION:
        raise InputError(
            f"{path} is of version {found.get('version')!r} and this scaat reads {VERSION}; "
            "convert the data again"
        )
    return found


def _part(
    folder: Path, part: dict[str, Any], classes: tuple[str, ...], options: DataOptions
) -> Part:
    pixels = MappedPixels(folder / IMAGES)
    if list(pixels.shape) != part["shape"]:
        raise InputError(
            f"{folder / IMAGES} holds images of shape {pixels.shape}, but {DESCRIPTION} says "
            f"{tuple(part['shape'])}; convert the data again"
        )
    beside = {
        name: _array(folder / f"{name}.npy", digest) for name, digest in part["files"].items()
    }
    everything = ImageSet(pixels, beside.pop("labels"), classes, **beside)

    def load(positions: Tensor) -> ImageSet:
        return in_memory(everything.subset(positions))

    # Another size than that of the conversion is made in memory.
    mapped = options.image_size is None or everything.image_size == (options.image_size,) * 2
    return Part(
        everything.labels, load, everything.groups, lazy=everything.subset if mapped else None
    )


def in_memory(images: ImageSet) -> ImageSet:
    """Return the set with its images read into memory, if they fit."""
    if isinstance(images.images, Pixels):
        count, channels, height, width = images.images.shape
        require_memory(count * channels * height * width, f"{count} images of {height}x{width}")
    return replace(images, images=images.pixels())


def _array(path: Path, digest: str) -> Tensor:
    try:
        if checksum(path) != digest:
            raise InputError(
                f"{path} is not what was written (its SHA-256 differs); convert the data again"
            )
        return torch.from_numpy(np.load(path))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read ({error})") from error


datasets.register("cache")(
    DataEntry(load_cache, "PATH", "what scaat data convert wrote: decoded images, mapped")
)
