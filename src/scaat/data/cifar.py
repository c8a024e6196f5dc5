"""CIFAR-10 and CIFAR-100 as published: batches for Python, read without running their pickles."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaat.data.augmentation import COMMON
from scaat.data.image_set import ImageSet
from scaat.data.registry import DataEntry, Source, datasets, part_of
from scaat.errors import InputError
from scaat.options.data import DataOptions

SIDE = 32
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


@dataclass(frozen=True)
class Layout:
    """The files of one of the two sets.

    Attributes:
        folder: Their folder inside the archive.
        archive: The archive's name.
        train: The training batches.
        test: The test batch.
        meta: The class names' file.
        names: Their key in it.
        labels: The labels' key in a batch.
    """

    folder: str
    archive: str
    train: tuple[str, ...]
    test: str
    meta: str
    names: bytes
    labels: bytes


TEN = Layout(
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test_batch",
    "batches.meta",
    b"label_names",
    b"labels",
)
HUNDRED = Layout(
    "cifar-100-python",
    "cifar-100-python.tar.gz",
    ("train",),
    "test",
    "meta",
    b"fine_label_names",
    b"fine_labels",
)

# The function that rebuilds an array, by whatever name this NumPy has it.
_RECONSTRUCT = np.empty(0).__reduce__()[0]

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Plain(pickle.Unpickler):
    """Builds arrays and plain values, and nothing else: no file runs code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few things that an array's pickle names."""
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) == ("_codecs", "encode"):
            return _encode
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to code ({module}.{name})") from None


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


def load_cifar(layout: Layout, argument: str, options: DataOptions) -> Source:
    """Return the published training and test images; the fine labels of CIFAR-100.

    ``PATH`` is the archive as downloaded, the folder in it, or the folder that holds either.

    Raises:
        InputError: A file is missing, damaged, refers to code, or holds something else.
    """
    read = _reader(Path(argument).expanduser(), layout)
    name, content = read(layout.meta)
    described = _unpickled(name, content)
    names = described.get(layout.names) if isinstance(described, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise InputError(f"{name} has no list {layout.names.decode()!r} of class names")
    classes = tuple(item.decode() for item in names)
    train = [_batch(*read(file), layout, classes) for file in layout.train]
    images = torch.cat([part.images for part in train])  # type: ignore[misc]
    labels = torch.cat([part.labels for part in train])
    test = _batch(*read(layout.test), layout, classes)
    return Source(
        classes,
        part_of(ImageSet(images, labels, classes)),
        test=part_of(test),
        augmentation=COMMON,
    )


def _reader(path: Path, layout: Layout) -> Callable[[str], tuple[str, bytes]]:
    """Return what gives a file's name for messages and its content."""
    for folder in (path, path / layout.folder):
        if (folder / layout.meta).is_file():
            return partial(_from_folder, folder)
    for archive in (path, path / layout.archive):
        if archive.is_file():
            return partial(_from_archive, archive, layout.folder)
    raise InputError(
        f"{path} holds neither {layout.folder} nor {layout.archive}; download the python version "
        f"from {PAGE} and give the archive or the folder that is in it"
    )


def _from_folder(folder: Path, file: str) -> tuple[str, bytes]:
    try:
        return str(folder / file), (folder / file).read_bytes()
    except OSError as error:
        raise InputError(f"{folder / file} cannot be read ({error.strerror})") from error


def _from_archive(archive: Path, folder: str, file: str) -> tuple[str, bytes]:
    name = f"{folder}/{file} in {archive}"
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"{folder}/{file}")
            if member is None:
                raise KeyError(file)
            return name, member.read()
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, KeyError) else error
        raise InputError(f"{name} cannot be read ({reason})") from error


def _unpickled(name: str, content: bytes) -> Any:
    try:
        return _Plain(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # an unpickler raises anything on foreign bytes
        reason = str(error) or type(error).__name__
        raise InputError(f"{name} is damaged or no batch of CIFAR: {reason}") from error


def _batch(name: str, content: bytes, layout: Layout, classes: tuple[str, ...]) -> ImageSet:
    found = _unpickled(name, content)
    if not isinstance(found, dict) or not {b"data", layout.labels} <= found.keys():
        raise InputError(f"{name} has no 'data' and {layout.labels.decode()!r}")
    data, labels = found[b"data"], found[layout.labels]
    values = 3 * SIDE * SIDE
    if not (
        isinstance(data, np.ndarray)
        and data.dtype == np.uint8
        and data.ndim == 2
        and data.shape[1] == values
    ):
        raise InputError(f"{name} has 'data' of another kind; expected uint8 (N, {values})")
    if not (isinstance(labels, list) and all(type(label) is int for label in labels)):
        raise InputError(f"{name} has labels of another kind; expected a list of class ids")
    wrong = next((label for label in labels if not 0 <= label < len(classes)), None)
    if wrong is not None or len(labels) != len(data):
        raise InputError(
            f"{name} has {len(data)} images and {len(labels)} labels"
            + ("" if wrong is None else f", one of them {wrong}")
            + f"; expected a class id from 0 to {len(classes) - 1} for each image"
        )
    images = torch.from_numpy(data.reshape(-1, 3, SIDE, SIDE).copy())
    return ImageSet(images, torch.tensor(labels, dtype=torch.int64), classes)


datasets.register("cifar10")(
    DataEntry(partial(load_cifar, TEN), "PATH", "CIFAR-10, the python version as published")
)
datasets.register("cifar100")(
    DataEntry(partial(load_cifar, HUNDRED), "PATH", "CIFAR-100 (fine labels), the python version")
)
