"""Class folders of image files, ImageNet-1k among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from scaat.data.augmentation import COMMON, Augmentation
from scaat.data.decoding import Encoded
from scaat.data.registry import Part, Source, dataset, encoded_part
from scaat.errors import InputError
from scaat.options.data import DataOptions

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
SHOWN = 10  # class names in a message
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
_ALWAYS = {"train", "validation", "val", "test"}  # names of parts, whatever they hold


@dataset("folder", "PATH", "image files in a folder for each class")
def load_folder(argument: str, options: DataOptions) -> Source:
    """Return the images of class folders, decoded to RGB.

    ``PATH/CLASS/.../IMAGE``, or ``PATH/train/CLASS/.../IMAGE`` with optional ``test`` and
    ``validation`` beside it; ``training``, ``testing``, ``valid`` and ``val`` name parts, too, in
    any case. The classes are train's folder names in alphabetical order (a ``test`` folder alone
    has its own). Images without class folders are a test part without labels. Links to folders are
    followed. Hidden files and folders, and other files than those of `SUFFIXES`, are left out.

    Raises:
        InputError: a folder is missing or empty, two folders are the same part, another part has a
            class that train lacks, or an image is at fault (see `decode_images`).
    """
    root = Path(argument).expanduser()
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise InputError(f"data folder {root} {state}; expected a folder of class folders")
    folders = _part_folders(root) or {"train": root}
    if "train" not in folders and set(folders) != {"test"}:
        other = next(iter(folders.values())).name
        raise InputError(f"{root} holds {other!r} but no 'train'; expected both, or none")
    first = next(iter(folders.values()))
    classes = tuple(child.name for child in visible(first) if child.is_dir())
    size = options.image_size
    images = [(file, -1) for file in visible(first) if is_image(file, first)]
    if not classes and images and "train" in folders:  # a test part without labels
        part = _files_part(images, (), size)
        nothing = replace(part, labels=part.labels[:0])
        return Source((), nothing, test=part, augmentation=COMMON)
    if not classes:
        state = "holds no folders" if visible(first) else "is empty"
        raise InputError(f"{first} {state}; expected a folder for each class")
    parts = {part: _part(folder, classes, size) for part, folder in folders.items()}
    return Source.of_parts(classes, parts, COMMON)


def _part_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each part that a folder holds, none if it holds class folders."""
    children = [child for child in visible(root) if child.is_dir()]
    by_part = {
        part: folders
        for part, names in PARTS.items()
        if (folders := [child for child in children if child.name.lower() in names])
    }
    named = [folder for folders in by_part.values() for folder in folders]
    # A class may be called "Train" or "testing": a part's folder holds folders of classes.
    if not any(f.name in _ALWAYS or any(child.is_dir() for child in visible(f)) for f in named):
        return {}
    for part, folders in by_part.items():
        if len(folders) > 1:
            raise InputError(
                f"{root} holds several folders of the {part} part "
                f"({', '.join(repr(folder.name) for folder in folders)}); expected one"
            )
    return {part: folders[0] for part, folders in by_part.items()}


def _part(folder: Path, classes: tuple[str, ...], image_size: int | None) -> Part:
    """Return the images of the class folders in a folder; ``classes`` are those of train."""
    items: list[tuple[Path, int]] = []
    for child in visible(folder):
        if not child.is_dir():
            continue
        if child.name not in classes:
            expected = ", ".join(classes[:SHOWN]) + (", ..." if len(classes) > SHOWN else "")
            raise InputError(f"{child} is no class of train; expected {expected}")
        files = images_below(child)
        if not files:
            raise InputError(
                f"class folder {child} holds no images; expected files of type "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        items += [(file, classes.index(child.name)) for file in files]
    if not items:
        raise InputError(f"{folder} holds no class folders; expected one for each class")
    return _files_part(items, classes, image_size)


def _files_part(
    items: list[tuple[Path, int]], classes: tuple[str, ...], image_size: int | None
) -> Part:
    labels = torch.tensor([label for _, label in items])
    paths = [str(file) for file, _ in items]  # a third of the memory of Path objects
    return encoded_part(partial(read_files, paths), labels, classes, image_size)


def read_files(paths: list[str], positions: Tensor) -> Iterator[Encoded]:
    """Yield the image files at int64 (M,) positions."""
    for position in positions.tolist():
        yield paths[position], Path(paths[position])


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds in alphabetical order, without hidden files."""
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def images_below(folder: Path) -> list[Path]:
    """Return the images in a folder and below in alphabetical order, without hidden ones.

    Links to folders are followed, but no folder is read twice, nor one that this one lies in. A
    folder that cannot be read is an `InputError`.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"folder {error.filename} cannot be read ({error.strerror})") from error

    images: list[Path] = []
    read = set(folder.resolve().parents)
    starts = [folder]
    for start in starts:  # links join behind: a folder's own path comes before a link to it
        for place, folders, files in os.walk(start, onerror=refuse):
            real = Path(place).resolve()
            if real in read:
                folders.clear()
                continue
            read.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            starts += [link for name in folders if (link := Path(place, name)).is_symlink()]
            images += [file for name in files if is_image(file := Path(place, name), folder)]
    return sorted(images)


def is_image(file: Path, folder: Path) -> bool:
    """Whether a file in a folder is an image by its name, neither hidden nor in a hidden folder."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


@dataset("imagenet", "PATH", "ImageNet-1k in class folders, as torchvision unpacks it")
def load_imagenet(argument: str, options: DataOptions) -> Source:
    """Return the training images, and the official validation images as the test part.

    ``PATH`` holds ``train/WNID/*.JPEG`` and ``val/WNID/*.JPEG``, as `torchvision.datasets.ImageNet`
    unpacks the archives. Validation images are drawn from train, as the test labels are not public.

    Raises:
        InputError: A folder is missing or empty, or no ``image_size`` is given: images differ in
            size.
    """
    size = options.image_size
    if size is None:
        raise InputError("image_size is not given; expected it with imagenet, say 224")
    root = Path(argument).expanduser()
    folders = [root / "train", root / "val"]
    if not all(folder.is_dir() for folder in folders):
        raise InputError(
            f"{argument} holds no folders 'train' and 'val'; expected train/WNID and val/WNID, as "
            "torchvision.datasets.ImageNet unpacks the archives of ImageNet-1k"
        )
    classes = tuple(child.name for child in visible(folders[0]) if child.is_dir())
    train, test = (_part(folder, classes, size) for folder in folders)
    augmentation = Augmentation(crop_padding=size // 8, horizontal_flip=True)
    return Source(classes, train, test=test, augmentation=augmentation)
