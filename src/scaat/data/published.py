"""Published data sets in the files that their authors gave them; no file's code is executed.

CIFAR's pickles are opened by torchvision, and only if their checksums are the published ones.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from scaat.data.augmentation import COMMON, Augmentation
from scaat.data.hugging_face import load_parquet
from scaat.data.image_set import ImageSet, Pixels
from scaat.data.registry import Part, Source, dataset, part_of, unnamed_classes
from scaat.errors import InputError
from scaat.options.data import DataOptions

DIGITS_SIDE = 32
CIFAR_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
MNIST_PAGE = "http://yann.lecun.com/exdb/mnist"
PCAM_PAGE = "https://github.com/basveeling/pcam"
PCAM_FILE = "camelyonpatch_level_2_split_{part}_{array}.h5"
PCAM_CLASSES = ("normal", "tumour")
EMBEDDED = Path(__file__).with_name("embedded")
TISSUE = Augmentation(crop_padding=4, horizontal_flip=True, vertical_flip=True)
"""Tissue has no upright."""


@dataset("digits", "", "8 x 8 handwritten digits that scikit-learn ships, shown at 32 x 32")
def load_digits(argument: str, options: DataOptions) -> Source:
    """Return 1,797 real handwritten digits, shown at 32 x 32.

    The images are 8 x 8 with levels 0 to 16 (the test part of UCI's optical recognition of
    handwritten digits). They are enlarged by torch's bilinear interpolation
    (``align_corners=False``) and repeated over three channels, so that every model accepts them. A
    mirrored digit is another sign: the augmentation only moves, by up to 2 pixels, half a pixel of
    the original.
    """
    from sklearn.datasets import load_digits as read

    data = read()
    grey = torch.from_numpy(data.images).float().unsqueeze(1) / 16
    size = (DIGITS_SIDE, DIGITS_SIDE)
    large = F.interpolate(grey, size=size, mode="bilinear", align_corners=False)
    images = (large * 255).round().to(torch.uint8).repeat(1, 3, 1, 1)
    classes = tuple(map(str, data.target_names))
    return Source(
        classes,
        part_of(ImageSet(images, torch.from_numpy(data.target).long(), classes)),
        augmentation=Augmentation(crop_padding=2),
        settings={"shown_at": DIGITS_SIDE, "interpolation": "bilinear"},
    )


def load_cifar(kind: str, argument: str, options: DataOptions) -> Source:
    """Return the published training and test images; the fine labels of CIFAR-100.

    ``PATH`` is the archive as downloaded, the folder in it, or the folder that holds either. Other
    files than the published ones are an `InputError`.
    """
    from torchvision.datasets.utils import check_integrity

    published = _torchvision(kind)[0]
    path = Path(argument).expanduser()
    for folder in (path, path / published.base_folder):
        if (folder / published.meta["filename"]).is_file():
            return _cifar(kind, folder)
    for archive in (path, path / published.filename):
        if archive.is_file():
            if not check_integrity(str(archive), published.tgz_md5):
                raise InputError(
                    f"{archive} is not {published.filename} as published (its MD5 differs); "
                    f"download it again from {CIFAR_PAGE}"
                )
            with TemporaryDirectory() as scratch, tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
                return _cifar(kind, Path(scratch, published.base_folder))
    raise InputError(
        f"{path} holds neither {published.base_folder} nor {published.filename}; download the "
        f"python version from {CIFAR_PAGE} and give the archive or the folder that is in it"
    )


def _cifar(kind: str, folder: Path) -> Source:
    published = _torchvision(kind)[0]
    here = type(published.__name__, (published,), {"base_folder": folder.name})
    try:
        train, test = (here(str(folder.parent), train=training) for training in (True, False))
    except (RuntimeError, OSError) as error:
        reason = next(wrong_checksums(kind, folder), "a file is missing")
        raise InputError(
            f"{folder} is not the set as published: {reason}; download it from {CIFAR_PAGE}"
        ) from error
    classes = tuple(train.classes)

    def part(read: Any) -> Part:
        images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
        return part_of(ImageSet(torch.from_numpy(images), torch.tensor(read.targets), classes))

    return Source(classes, part(train), test=part(test), augmentation=COMMON)


dataset("cifar10", "PATH", "CIFAR-10, the python version as published")(
    partial(load_cifar, "cifar10")
)
dataset("cifar100", "PATH", "CIFAR-100 (fine labels), python version")(
    partial(load_cifar, "cifar100")
)


@dataset("mnist", "PATH", "MNIST, Fashion-MNIST, KMNIST or EMNIST in IDX files")
def load_mnist(argument: str, options: DataOptions) -> Source:
    """Return the training and test images, grey, as published.

    ``PATH`` is the folder of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two
    ``t10k-`` files, each as it is or with ``.gz``. For EMNIST it is that folder and a split's name:
    ``PATH/emnist-letters``; images, stored transposed, are turned, and labels from 1 begin at 0. A
    missing, damaged or other file is an `InputError`.
    """
    path = Path(argument).expanduser()
    folder, prefix = (path, "") if path.is_dir() else (path.parent, f"{path.name}-")
    emnist = prefix.startswith("emnist")
    arrays = []
    for part in (f"{prefix}train", f"{prefix}{'test' if emnist else 't10k'}"):
        images, labels = _idx(folder, f"{part}-images", 3), _idx(folder, f"{part}-labels", 1)
        _require_labels(len(labels), len(images), f"{folder / part}-labels")
        arrays.append((images, labels))
    first = min(int(labels.min()) for _, labels in arrays)
    last = max(int(labels.max()) for _, labels in arrays)
    classes = tuple(str(label) for label in range(first, last + 1))
    train, test = (
        part_of(
            ImageSet(
                torch.from_numpy((images.transpose(0, 2, 1) if emnist else images).copy())[:, None],
                torch.from_numpy(labels.astype(np.int64)) - first,
                classes,
            )
        )
        for images, labels in arrays
    )
    # A mirrored character is another one.
    return Source(classes, train, test=test, augmentation=Augmentation(crop_padding=2))


def _idx(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file: two zeros, type, number of dimensions, their sizes, the values."""
    name = f"{name}-idx{dimensions}-ubyte"
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise InputError(
            f"{folder} holds no {name} or {name}.gz; download the set's four files ({MNIST_PAGE} "
            "describes them) into one folder and give that"
        )
    magic = bytes([0, 0, 8, dimensions])
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if content[:4] != magic:
            raise ValueError(f"it begins with {content[:4].hex()}, expected {magic.hex()}")
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise InputError(
            f"{path} is damaged, or no IDX file of bytes in {dimensions} dimensions ({error})"
        ) from error


@dataset("medmnist", "FILE", "a 2-D set of MedMNIST, one .npz file")
def load_medmnist(argument: str, options: DataOptions) -> Source:
    """Return the official parts of a 2-D set with one label an image.

    ``FILE`` holds ``train_images``, uint8 (N, H, W) or (N, H, W, 3), ``train_labels``, (N, 1), and
    the same for ``val`` and ``test``. Anything else is an `InputError`.
    """
    path = Path(argument).expanduser()
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; download a set's .npz file from https://medmnist.com and give "
            "that"
        )
    names = [
        f"{part}_{array}" for part in ("train", "val", "test") for array in ("images", "labels")
    ]
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names if name in file.files}
            present = ", ".join(file.files) or "nothing"
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged or no .npz file ({error})") from error
    for name in names:
        if name not in arrays:
            raise InputError(f"{path} has no {name}; it holds {present}")
        _check_medmnist(arrays[name], name, path)
    greatest = max(int(arrays[name].max(initial=0)) for name in names[1::2])
    classes = unnamed_classes(greatest, f"{path} has label {greatest}")
    parts = []
    for images_name, labels_name in zip(names[::2], names[1::2], strict=True):
        images, labels = arrays[images_name], arrays[labels_name].reshape(-1).astype(np.int64)
        _require_labels(len(labels), len(images), f"{labels_name} in {path}")
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        parts.append(part_of(ImageSet(pixels, torch.from_numpy(labels), classes)))
    train, validation, test = parts
    return Source(classes, train, validation, test, COMMON)


def _check_medmnist(array: NDArray[Any], name: str, path: Path) -> None:
    if name.endswith("images"):
        right = array.dtype == np.uint8 and (array.ndim == 3 or array.shape[3:] == (3,))
        expected = "uint8 (N, H, W) or (N, H, W, 3): a 2-D set"
    else:
        right = array.dtype.kind in "iu" and (array.ndim == 1 or array.shape[1:] == (1,))
        expected = "one integer an image (sets with several labels an image cannot be trained on)"
        if right and array.size and array.min() < 0:
            raise InputError(f"{name} in {path} holds {array.min()}; expected class ids from 0 on")
    if not right:
        raise InputError(
            f"{name} in {path} is {array.dtype} of shape {array.shape}; expected {expected}"
        )


@dataset("pcam", "PATH", "PatchCamelyon in HDF5 files, with its official parts")
def load_pcam(argument: str, options: DataOptions) -> Source:
    """Return the official parts of PatchCamelyon, read in place.

    ``PATH`` is the folder of the six files ``camelyonpatch_level_2_split_PART_x.h5``, ``_y.h5``,
    unpacked. Anything else is an `InputError`.
    """
    folder = Path(argument).expanduser()
    train, validation, test = (_pcam_part(folder, name) for name in ("train", "valid", "test"))
    return Source(PCAM_CLASSES, train, validation, test, TISSUE)


@dataset("tissue", "", "3,400 lymph-node patches of PatchCamelyon, embedded, CC0")
def load_tissue(argument: str, options: DataOptions) -> Source:
    """Return 3,400 lymph-node patches of 48 x 48 pixels, normal or with tumour in the centre.

    Crops move by up to 4 pixels, which keeps the central 32 x 32, on which the label depends.
    """
    return replace(load_parquet(str(EMBEDDED), options), augmentation=TISSUE)


class HDF5Pixels(Pixels):
    """The images of one HDF5 file whose ``x`` is uint8 (N, H, W, 3), read by position.

    A batch is one read; torchvision's ``PCAM`` opens the file for each image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _hdf5(path, "x") as values:
            if values.dtype != np.uint8 or values.ndim != 4 or values.shape[3] != 3:
                raise InputError(
                    f"'x' in {path} is {values.dtype} of shape {values.shape}; expected uint8 "
                    "(N, H, W, 3)"
                )
            count, height, width, channels = values.shape
        self.shape = (count, channels, height, width)

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        # HDF5 requires ascending positions without repetition.
        ascending, places = np.unique(positions.numpy(), return_inverse=True)
        with _hdf5(self.path, "x") as values:
            images = values[ascending]
        return torch.from_numpy(images[places.reshape(-1)]).permute(0, 3, 1, 2).contiguous()


def _pcam_part(folder: Path, part: str) -> Part:
    images, target = (_pcam_file(folder, PCAM_FILE.format(part=part, array=a)) for a in "xy")
    pixels = HDF5Pixels(images)
    with _hdf5(target, "y") as values:
        labels = np.asarray(values).reshape(-1)
    if labels.dtype.kind not in "iu" or not np.isin(labels, (0, 1)).all():
        raise InputError(f"'y' in {target} holds something else than the labels 0 and 1")
    _require_labels(len(labels), pixels.shape[0], str(target))
    return part_of(ImageSet(pixels, torch.from_numpy(labels.astype(np.int64)), PCAM_CLASSES))


def _pcam_file(folder: Path, name: str) -> Path:
    path = folder / name
    if path.is_file():
        return path
    if path.with_name(f"{name}.gz").is_file():
        raise InputError(
            f"{path}.gz is packed, and images are read from its middle; unpack it: gunzip {name}.gz"
        )
    raise InputError(
        f"{folder} holds no {name}; download the six files from {PCAM_PAGE}, unpack them and give "
        "their folder"
    )


@contextmanager
def _hdf5(path: Path, name: str) -> Iterator[Any]:
    """Yield one array of an HDF5 file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name), h5py.Dataset):
                present = ", ".join(file) or "nothing"
                raise InputError(f"{path} has no array {name!r}; it holds {present}")
            yield file[name]
    except InputError:
        raise
    except Exception as error:  # h5py raises nearly anything on damaged files
        raise InputError(f"{path} is damaged or no HDF5 file ({error})") from error


def _require_labels(labels: int, images: int, where: str) -> None:
    if labels != images or not images:
        raise InputError(f"{where} has {labels} labels for {images} images; expected one for each")


def wrong_checksums(kind: str, path: Path) -> Iterator[str]:
    """Yield a sentence for each file of a data set whose MD5 is not the published one.

    Of other sets than those in torchvision nothing is known. Files are recognised by their names.
    """
    known: dict[str, set[str]] = {}
    for name, digest in _published_files(kind):
        known.setdefault(name, set()).add(digest)  # the MNIST family shares its file names
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.name in known and file.is_file():
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "md5").hexdigest()
            if digest not in known[file.name]:
                expected = " or ".join(sorted(known[file.name]))
                yield f"{file} has MD5 {digest}, published is {expected}"


def _published_files(kind: str) -> Iterator[tuple[str, str]]:
    for source in _torchvision(kind):
        if kind == "mnist":
            yield from source.resources
        elif kind == "pcam":
            files = (file for part in source._FILES.values() for file in part.values())
            yield from ((f"{name}.gz", digest) for name, _, digest in files)
        else:
            yield from (*source.train_list, *source.test_list)
            yield source.meta["filename"], source.meta["md5"]
            yield source.filename, source.tgz_md5


def _torchvision(kind: str) -> tuple[Any, ...]:
    """Return torchvision's classes of a data set; none for those of which it has none."""
    names = {
        "cifar10": ("CIFAR10",),
        "cifar100": ("CIFAR100",),
        "mnist": ("MNIST", "FashionMNIST", "KMNIST"),
        "pcam": ("PCAM",),
    }
    if kind not in names:
        return ()
    import torchvision

    return tuple(getattr(torchvision.datasets, name) for name in names[kind])
