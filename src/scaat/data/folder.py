"""Class folders of image files."""

from __future__ import annotations

from pathlib import Path

import torch

from scaat.data.augmentation import COMMON
from scaat.data.lazy import Files, encoded_part
from scaat.data.registry import DataEntry, Part, Source, datasets
from scaat.errors import InputError
from scaat.options.data import DataOptions

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
PARTS = {"train": ["train"], "validation": ["validation", "val"], "test": ["test"]}


def load_folder(argument: str, options: DataOptions) -> Source:
    """Return the images of class folders, decoded to RGB.

    ``PATH/CLASS/.../IMAGE``, or ``PATH/train/CLASS/.../IMAGE`` with optional ``test`` and
    ``validation`` (or ``val``) beside it. The classes are the training part's folder names in
    alphabetical order. Hidden files and folders, and files that are not png, jpg, bmp, webp or
    tif, are left out.

    Raises:
        InputError: a folder is missing or empty, another part has a class that train has not,
            or an image is at fault (see `decode_images`).
    """
    root = Path(argument).expanduser()
    if not root.is_dir():
        raise InputError(f"data folder {root} {_found(root)}; expected a folder of class folders")
    folders = {
        part: root / name
        for part, names in PARTS.items()
        for name in names
        if (root / name).is_dir()
    }
    if folders and "train" not in folders:
        other = next(iter(folders.values())).name
        raise InputError(f"{root} holds {other!r} but no 'train'; expected both, or none")
    folders = folders or {"train": root}
    classes = tuple(child.name for child in visible(folders["train"]) if child.is_dir())
    if not classes:
        found = "holds no folders" if visible(folders["train"]) else "is empty"
        raise InputError(f"{folders['train']} {found}; expected a folder for each class")
    parts = {part: _part(folder, classes, options.image_size) for part, folder in folders.items()}
    return Source(
        classes, parts["train"], parts.get("validation"), parts.get("test"), augmentation=COMMON
    )


def _part(folder: Path, classes: tuple[str, ...], image_size: int | None) -> Part:
    files: list[Path] = []
    labels: list[int] = []
    for child in visible(folder):
        if not child.is_dir():
            continue
        if child.name not in classes:
            raise InputError(f"{child} is no class of train; expected {', '.join(classes)}")
        found = [f for f in sorted(child.rglob("*")) if is_image(f, child)]
        if not found:
            raise InputError(
                f"class folder {child} holds no images; expected files of type "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        files += found
        labels += [classes.index(child.name)] * len(found)
    if not files:
        raise InputError(f"{folder} is empty; expected a folder for each class")
    return encoded_part(Files(files), torch.tensor(labels), classes, image_size)


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds, but for hidden files, in alphabetical order."""
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def is_image(file: Path, folder: Path) -> bool:
    """Whether a file in a folder is an image by its name, neither hidden nor in a hidden folder."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


def _found(path: Path) -> str:
    return "is a file" if path.exists() else "does not exist"


datasets.register("folder")(
    DataEntry(load_folder, "PATH", "image files in a folder for each class")
)
