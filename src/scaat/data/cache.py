"""A data set converted once to decoded images, in one memory-mapped file a part.

A folder holds ``cache.json`` (version, classes, augmentation, shapes, what was converted, and the
SHA-256 of every file but the images) and, for each part that the data brought, a folder with
``images.npy``, uint8 (N, C, H, W), and ``labels.npy``, int64 (N,), and what else `BESIDE` names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.decoding import fit_set
from scaat.data.image_set import BESIDE, ImageSet, MappedPixels
from scaat.data.loading import find_source
from scaat.data.registry import Part, Source, dataset, part_of
from scaat.errors import InputError, WriteError
from scaat.files import new_folder, require_new, write_json
from scaat.options.data import DataOptions

DESCRIPTION = "cache.json"
FORMAT = "scaat image cache"
VERSION = 1
IMAGES = "images.npy"

CHUNK = 256  # images decoded at a time
READING = ("data", "image_size", "group", "inclusive_boxes", "classes")
"""The options that say how data are read, as opposed to split and trained on."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a part, the number of its images done, and of all its images."""


@dataset("cache", "PATH", "what scaat data convert wrote: decoded images, mapped")
def load_cache(argument: str, options: DataOptions) -> Source:
    """Return the parts of a folder that ``scaat data convert`` wrote; the images stay in files.

    A folder that is no cache, of another version, incomplete or damaged is an `InputError`, as is
    an option that asks for what was not converted.
    """
    folder = Path(argument).expanduser()
    path = folder / DESCRIPTION
    content = _description(path)
    try:
        classes = tuple(content["classes"])
        parts = {
            name: _part(folder / name, part, classes, options.image_size)
            for name, part in content["parts"].items()
        }
        train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
        augmentation = Augmentation(**content["augmentation"])
        converted = content["options"]
        settings = {"converted_from": converted, **content["settings"]}
        group = converted.get("group")
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error!r}); convert the data again") from error
    if options.group not in (None, group):
        raise InputError(
            f"group is {options.group!r}, but cache {folder} was converted with group {group!r}; "
            "expected the same, or convert again"
        )
    return Source(classes, train, validation, test, augmentation, settings)


def _description(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path.parent} holds no {DESCRIPTION}; expected a folder that 'scaat data convert' "
            "completed"
        ) from error
    except (OSError, ValueError) as error:  # a JSONDecodeError is a ValueError
        raise InputError(f"{path} cannot be read ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no description of a {FORMAT}")
    if content.get("version") != VERSION:
        version = content.get("version")
        raise InputError(f"{path} has version {version!r}, expected {VERSION}; convert it again")
    return content


def _part(
    folder: Path, described: dict[str, Any], classes: tuple[str, ...], image_size: int | None
) -> Part:
    pixels = MappedPixels(folder / IMAGES)
    if list(pixels.shape) != described["shape"]:
        raise InputError(
            f"{folder / IMAGES} holds images of shape {pixels.shape}, but {DESCRIPTION} says "
            f"{tuple(described['shape'])}; convert the data again"
        )
    beside = {
        name: _array(folder / f"{name}.npy", digest) for name, digest in described["files"].items()
    }
    part = part_of(ImageSet(pixels, beside.pop("labels"), classes, **beside))
    if image_size is None or pixels.shape[2:] == (image_size, image_size):
        return part
    return replace(part, lazy=None)  # resized in memory


def _array(path: Path, digest: str) -> Tensor:
    try:
        if _checksum(path) != digest:
            raise InputError(
                f"{path} is not what was written (its SHA-256 differs); convert the data again"
            )
        return torch.from_numpy(np.load(path))
    except InputError:  # which is a ValueError
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(options: DataOptions, out: Path, progress: Progress) -> dict[str, int]:
    """Decode a data set into a folder for ``cache:OUT``, and return each part's number of images.

    A few images are decoded at a time. The parts are those that the data bring, read by the options
    in `READING`; how they are split is chosen when the cache is used. An interrupted conversion
    leaves nothing under ``out``.

    Raises:
        InputError: The data are at fault, or ``out`` exists.
        WriteError: The disk is full, or cannot be written.
    """
    require_new(out)
    source = find_source(options)
    with new_folder(out) as beside:
        described = {}
        for name, part in source.parts.items():
            (beside / name).mkdir(parents=True)
            described[name] = _write_part(part, beside / name, out, options, name, progress)
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
    count = len(part.labels)
    shape: tuple[int, ...] = ()
    beside: dict[str, list[Tensor]] = {}
    done = 0
    # Not a mapped file: a full disk would kill the process.
    with (folder / IMAGES).open("wb") as file:
        for positions in torch.split(torch.arange(count), CHUNK):
            images = fit_set(part.load(positions), options.image_size)
            if not shape:
                shape = (count, *images.images.shape[1:])
                needed, free = prod(shape), shutil.disk_usage(out.absolute().parent).free
                if needed > free:
                    raise WriteError(
                        f"cache {str(out)!r} needs {needed / 2**30:.1f} GiB for {count} images "
                        f"of {shape[2]}x{shape[3]} and {free / 2**30:.1f} GiB are free; set "
                        "image_size lower, or choose another disk"
                    )
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                beside = {key: [] for key in BESIDE if getattr(images, key) is not None}
            if images.images.shape[1:] != shape[1:]:
                raise InputError(
                    f"images {done} and after of the {name} part are "
                    f"{'x'.join(map(str, images.image_size))} but the first one is "
                    f"{'x'.join(map(str, shape[2:]))}; expected one size, or set image_size to "
                    "resize them"
                )
            file.write(images.pixels().contiguous().numpy().data)
            for key, values in beside.items():
                values.append(getattr(images, key))
            done += len(images)
            progress(name, done, count)
    files = {}
    for key, values in beside.items():
        np.save(folder / f"{key}.npy", torch.cat(values).numpy())
        files[key] = _checksum(folder / f"{key}.npy")
    return {"shape": list(shape), "files": files}
