"""PatchCamelyon: patches of lymph nodes in HDF5 files, read in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import Augmentation
from scaat.data.cache import in_memory
from scaat.data.image_set import ImageSet
from scaat.data.pixels import Pixels
from scaat.data.registry import DataEntry, Part, Source, datasets
from scaat.errors import InputError
from scaat.options.data import DataOptions

CLASSES = ("normal", "tumour")
NAME = "camelyonpatch_level_2_split_{part}_{what}.h5"
PAGE = "https://github.com/basveeling/pcam"


class HDF5Pixels(Pixels):
    """The images of one HDF5 file, read by position.

    Args:
        path: A file whose ``x`` is uint8 (N, H, W, 3).

    Raises:
        InputError: The file is missing, damaged, or of another kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path, "x") as values:
            if values.dtype != np.uint8 or values.ndim != 4 or values.shape[3] != 3:
                raise InputError(
                    f"'x' in {path} is {values.dtype} of shape {values.shape}; expected uint8 "
                    "(N, H, W, 3)"
                )
            count, height, width, channels = values.shape
        self.shape = (count, channels, height, width)

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        # HDF5 wants ascending positions, each once.
        ascending, places = np.unique(positions.numpy(), return_inverse=True)
        with _opened(self.path, "x") as values:
            found = values[ascending]
        return torch.from_numpy(found[places.reshape(-1)]).permute(0, 3, 1, 2).contiguous()


def load_pcam(argument: str, options: DataOptions) -> Source:
    """Return the official parts.

    ``PATH`` is the folder of the six files ``camelyonpatch_level_2_split_PART_x.h5`` and
    ``_y.h5``, unpacked. Tissue has no upright, so the augmentation flips both ways.

    Raises:
        InputError: A file is missing, still packed, damaged, or of another kind.
    """
    folder = Path(argument).expanduser()
    augmentation = Augmentation(crop_padding=4, horizontal_flip=True, vertical_flip=True)
    train, validation, test = (_part(folder, name) for name in ("train", "valid", "test"))
    return Source(CLASSES, train, validation, test, augmentation)


def _part(folder: Path, part: str) -> Part:
    images, target = (_find(folder, NAME.format(part=part, what=what)) for what in "xy")
    pixels = HDF5Pixels(images)
    with _opened(target, "y") as values:
        labels = np.asarray(values).reshape(-1)
    if labels.dtype.kind not in "iu" or not np.isin(labels, (0, 1)).all():
        raise InputError(f"'y' in {target} holds something else than the labels 0 and 1")
    if len(labels) != pixels.shape[0]:
        raise InputError(
            f"{target} has {len(labels)} labels for the {pixels.shape[0]} images of {images.name}; "
            "expected one for each"
        )
    everything = ImageSet(pixels, torch.from_numpy(labels.astype(np.int64)), CLASSES)
    return Part(
        everything.labels,
        lambda positions: in_memory(everything.subset(positions)),
        lazy=everything.subset,
    )


def _find(folder: Path, name: str) -> Path:
    path = folder / name
    if path.is_file():
        return path
    if path.with_name(f"{name}.gz").is_file():
        raise InputError(
            f"{path}.gz is packed, and images are read from its middle; unpack it: gunzip {name}.gz"
        )
    raise InputError(
        f"{folder} holds no {name}; download the six files from {PAGE}, unpack them and give their "
        "folder"
    )


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    """Yield one array of an HDF5 file."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(f"{path} needs the package h5py (pip install h5py)") from error
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name), h5py.Dataset):
                found = ", ".join(file) or "nothing"
                raise InputError(f"{path} has no array {name!r}; found {found}")
            yield file[name]
    except InputError:
        raise
    except Exception as error:  # h5py raises nearly anything on damaged files
        raise InputError(f"{path} is damaged or no HDF5 file ({error})") from error


datasets.register("pcam")(
    DataEntry(load_pcam, "PATH", "PatchCamelyon in HDF5 files, with its official parts")
)
