"""MedMNIST: one ``.npz`` file with all three parts."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scaat.data.augmentation import COMMON
from scaat.data.image_set import ImageSet
from scaat.data.registry import MOST_UNNAMED, DataEntry, Part, Source, datasets, part_of
from scaat.errors import InputError
from scaat.options.data import DataOptions

PARTS = ("train", "val", "test")


def load_medmnist(argument: str, options: DataOptions) -> Source:
    """Return the official parts of a 2-D set with one label an image.

    ``FILE`` holds ``train_images``, uint8 (N, H, W) or (N, H, W, 3), ``train_labels``, (N, 1),
    and the same for ``val`` and ``test``. Nothing in it is executed.

    Raises:
        InputError: The file is missing or damaged, or an array is of another kind.
    """
    path = Path(argument).expanduser()
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; download a set's .npz file from https://medmnist.com and give "
            "that"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged or no .npz file ({error})") from error
    labels = {name: _labels(arrays, f"{name}_labels", path) for name in PARTS}
    greatest = max(int(found.max(initial=0)) for found in labels.values())
    if greatest >= MOST_UNNAMED:
        raise InputError(f"{path} has label {greatest}; expected class ids below {MOST_UNNAMED:,}")
    classes = tuple(map(str, range(greatest + 1)))
    parts: list[Part] = []
    for name in PARTS:
        images = _images(arrays, f"{name}_images", path)
        if len(images) != len(labels[name]) or not len(images):
            raise InputError(
                f"{path} has {len(images)} {name}_images and {len(labels[name])} labels; expected "
                "a label for each image"
            )
        parts.append(part_of(ImageSet(images, torch.from_numpy(labels[name]).long(), classes)))
    train, validation, test = parts
    return Source(classes, train, validation, test, augmentation=COMMON)


def _images(arrays: dict[str, NDArray[np.uint8]], name: str, path: Path) -> torch.Tensor:
    images = _array(arrays, name, path)
    if images.dtype != np.uint8 or not (images.ndim == 3 or images.shape[3:] == (3,)):
        raise InputError(
            f"{name} in {path} is {images.dtype} of shape {images.shape}; expected uint8 (N, H, W) "
            "or (N, H, W, 3): a 2-D set"
        )
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(channels_first))


def _labels(arrays: dict[str, NDArray[np.uint8]], name: str, path: Path) -> NDArray[np.int64]:
    labels = _array(arrays, name, path)
    if labels.dtype.kind not in "iu" or not (labels.ndim == 1 or labels.shape[1:] == (1,)):
        raise InputError(
            f"{name} in {path} is {labels.dtype} of shape {labels.shape}; expected one whole "
            "number an image (sets with several labels an image cannot be trained on)"
        )
    if labels.size and labels.min() < 0:
        raise InputError(f"{name} in {path} holds {labels.min()}; expected class ids from 0 on")
    return labels.reshape(-1).astype(np.int64)


def _array(arrays: dict[str, NDArray[np.uint8]], name: str, path: Path) -> NDArray[np.uint8]:
    try:
        return arrays[name]
    except KeyError:
        found = ", ".join(arrays) or "nothing"
        raise InputError(f"{path} has no {name}; found {found}") from None


datasets.register("medmnist")(
    DataEntry(load_medmnist, "FILE", "a 2-D set of MedMNIST, one .npz file")
)
