"""The MNIST family in its IDX files: MNIST, Fashion-MNIST, KMNIST, EMNIST."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scaat.data.augmentation import Augmentation
from scaat.data.image_set import ImageSet
from scaat.data.registry import DataEntry, Source, datasets, part_of
from scaat.errors import InputError
from scaat.options.data import DataOptions

PAGE = "http://yann.lecun.com/exdb/mnist"
_BYTES = 0x08  # the type of all their values


def load_mnist(argument: str, options: DataOptions) -> Source:
    """Return the training and test images, grey, as published.

    ``PATH`` is the folder of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two
    ``t10k-`` files, each as it is or with ``.gz``. For EMNIST, whose files carry the name of a
    split, it is that folder and the name: ``PATH/emnist-letters``; its images, which are stored
    on their side, are turned, and labels that begin at 1 begin at 0.

    Raises:
        InputError: A file is missing, damaged, or of another kind.
    """
    path = Path(argument).expanduser()
    folder, prefix = (path, "") if path.is_dir() else (path.parent, f"{path.name}-")
    tests = "test" if prefix.startswith("emnist") else "t10k"
    arrays = {part: _pair(folder, prefix + part) for part in ("train", tests)}
    first = min(int(labels.min()) for _, labels in arrays.values())
    last = max(int(labels.max()) for _, labels in arrays.values())
    classes = tuple(str(label) for label in range(first, last + 1))
    parts = []
    for images, labels in arrays.values():
        turned = images.transpose(0, 2, 1) if prefix.startswith("emnist") else images
        pixels = torch.from_numpy(turned.copy()).unsqueeze(1)
        parts.append(
            part_of(ImageSet(pixels, torch.from_numpy(labels.astype(np.int64)) - first, classes))
        )
    # A mirrored character is another one.
    return Source(classes, parts[0], test=parts[1], augmentation=Augmentation(crop_padding=2))


def _pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = _idx(_find(folder, f"{part}-images-idx3-ubyte"), 3)
    path = _find(folder, f"{part}-labels-idx1-ubyte")
    labels = _idx(path, 1)
    if len(images) != len(labels) or not len(images):
        raise InputError(
            f"{path} has {len(labels)} labels for {len(images)} images; expected one for each"
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"{folder} holds no {name} or {name}.gz; download the set's four files ({PAGE} describes "
        "them) into one folder and give that"
    )


def _idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file: two zeros, type, number of dimensions, their sizes, the values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, _BYTES, dimensions]) or len(content) < start:
        raise InputError(
            f"{path} begins with {content[:4].hex()}; expected {bytes([0, 0, 8, dimensions]).hex()}"
            f", an IDX file of bytes in {dimensions} dimensions"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = int(np.prod(shape, dtype=object))
    if len(content) - start != size:
        raise InputError(
            f"{path} holds {len(content) - start:,} values but speaks of {size:,}; it is cut short "
            "or damaged"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


datasets.register("mnist")(
    DataEntry(load_mnist, "PATH", "MNIST, Fashion-MNIST, KMNIST or EMNIST in IDX files")
)
