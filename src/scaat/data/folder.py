"""Class folders of image files, and ImageNet-1k, whose validation images may have none."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch

from scaat.data.augmentation import COMMON, Augmentation
from scaat.data.registry import DataEntry, Files, Part, Source, datasets, encoded_part
from scaat.errors import InputError
from scaat.options.data import DataOptions

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
SHOWN = 10  # class names in a message
PARTS = {"train": ["train"], "validation": ["validation", "val"], "test": ["test"]}

DEVKIT = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"
SYNSETS = "LOC_synset_mapping.txt"
VALIDATION = "ILSVRC2012_val_*.JPEG"
PAGE = "https://image-net.org/download-images"


def load_folder(argument: str, options: DataOptions) -> Source:
    """Return the images of class folders, decoded to RGB.

    ``PATH/CLASS/.../IMAGE``, or ``PATH/train/CLASS/.../IMAGE`` with optional ``test`` and
    ``validation`` (or ``val``) beside it. The classes are the training part's folder names in
    alphabetical order (a ``test`` folder alone has its own). Hidden files and folders, and files
    that are not png, jpg, bmp, webp or tif, are left out.

    Raises:
        InputError: a folder is missing or empty, another part has a class that train lacks, or
            an image is at fault (see `decode_images`).
    """
    root = Path(argument).expanduser()
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise InputError(f"data folder {root} {state}; expected a folder of class folders")
    folders = {
        part: root / name
        for part, names in PARTS.items()
        for name in names
        if (root / name).is_dir()
    } or {"train": root}
    if "train" not in folders and set(folders) != {"test"}:
        other = next(iter(folders.values())).name
        raise InputError(f"{root} holds {other!r} but no 'train'; expected both, or none")
    first = next(iter(folders.values()))
    classes = tuple(child.name for child in visible(first) if child.is_dir())
    if not classes:
        state = "holds no folders" if visible(first) else "is empty"
        raise InputError(f"{first} {state}; expected a folder for each class")
    size = options.image_size
    parts = {part: _part(folder, classes, classes, size) for part, folder in folders.items()}
    return Source.of_parts(classes, parts, COMMON)


def _part(
    folder: Path, names: Sequence[str], classes: tuple[str, ...], image_size: int | None
) -> Part:
    """Return the images of the class folders in a folder; ``names`` are those of train."""
    items: list[tuple[Path, int]] = []
    for child in visible(folder):
        if not child.is_dir():
            continue
        if child.name not in names:
            expected = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
            raise InputError(f"{child} is no class of train; expected {expected}")
        files = [file for file in sorted(child.rglob("*")) if is_image(file, child)]
        if not files:
            raise InputError(
                f"class folder {child} holds no images; expected files of type "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        items += [(file, names.index(child.name)) for file in files]
    if not items:
        raise InputError(f"{folder} is empty; expected a folder for each class")
    return _files_part(items, classes, image_size)


def _files_part(
    items: list[tuple[Path, int]], classes: tuple[str, ...], image_size: int | None
) -> Part:
    labels = torch.tensor([label for _, label in items])
    return encoded_part(Files([file for file, _ in items]), labels, classes, image_size)


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds in alphabetical order, without hidden files."""
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def is_image(file: Path, folder: Path) -> bool:
    """Whether a file in a folder is an image by its name, neither hidden nor in a hidden folder."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


def load_imagenet(argument: str, options: DataOptions) -> Source:
    """Return the training images, and the official validation images as the test part.

    ``PATH`` (or its ``Data/CLS-LOC``, as in Kaggle's archive) holds ``train/WNID/*.JPEG`` and
    ``val``. ``val`` has class folders, or the images flat as published, with their classes in the
    devkit (`DEVKIT`) or Kaggle's `SOLUTION`, beside ``val`` or above. A validation part is drawn
    from the training images, as the test labels are not public. ``image_size`` is required, as
    images differ in size.

    Raises:
        InputError: A folder or file is missing or damaged, or no ``image_size`` is given.
    """
    size = options.image_size
    if size is None:
        raise InputError("image_size is not given; expected it with imagenet, say 224")
    root = Path(argument).expanduser()
    if not (root / "train").is_dir():
        root = root / "Data" / "CLS-LOC"
    if not (root / "train").is_dir() or not (root / "val").is_dir():
        raise InputError(
            f"{argument} holds no folders 'train' and 'val'; download ImageNet-1k (ILSVRC2012) "
            f"from {PAGE}, unpack each class's archive to train/WNID, the validation images to "
            f"val, and the devkit beside them"
        )
    wnids = [child.name for child in visible(root / "train") if child.is_dir()]
    if len(wnids) < 2:
        raise InputError(f"{root / 'train'} has {len(wnids)} class folders; expected one a class")
    words = _words(root)
    classes = tuple(words.get(wnid, wnid) for wnid in wnids)
    return Source(
        classes,
        _part(root / "train", wnids, classes, size),
        test=_validation(root, wnids, classes, size),
        augmentation=Augmentation(crop_padding=size // 8, horizontal_flip=True),
    )


def _validation(root: Path, wnids: list[str], classes: tuple[str, ...], size: int) -> Part:
    if any(child.is_dir() for child in visible(root / "val")):
        return _part(root / "val", wnids, classes, size)
    files = sorted((root / "val").glob(VALIDATION))
    if not files:
        raise InputError(f"{root / 'val'} holds neither class folders nor {VALIDATION}")
    truth, source = _truth(root, files)
    number = {wnid: k for k, wnid in enumerate(wnids)}
    for file, wnid in zip(files, truth, strict=True):
        if wnid not in number:
            raise InputError(f"{source} gives {file.name} the class {wnid!r}, which train lacks")
    items = [(file, number[wnid]) for file, wnid in zip(files, truth, strict=True)]
    return _files_part(items, classes, size)


def _truth(root: Path, files: list[Path]) -> tuple[list[str], Path]:
    """Return each validation image's class, and the file that says so."""
    path = _find(root, SOLUTION) or _find(root, f"{DEVKIT}/data/{TRUTH}") or _find(root, TRUTH)
    if path is None:
        raise InputError(
            f"the classes of {root / 'val'} are not known: expected class folders, {DEVKIT} or "
            f"{SOLUTION} in {root} or above"
        )
    try:
        if path.name == SOLUTION:
            with path.open(newline="", encoding="utf-8") as file:
                rows = {row["ImageId"]: row["PredictionString"] for row in csv.DictReader(file)}
            return [rows[image.stem].split()[0] for image in files], path
        synsets = _synsets(root)
        ids = [int(line) for line in path.read_text(encoding="utf-8").split()]
        # A file's number, from 1 on, is its line.
        return [synsets[ids[int(image.stem.rpartition("_")[2]) - 1]][0] for image in files], path
    except InputError:
        raise
    except (OSError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is damaged or lacks an image ({error})") from error


def _words(root: Path) -> dict[str, str]:
    """Return the classes' names by WNID, if they are known."""
    if path := _find(root, SYNSETS):
        lines = [line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines()]
        return {wnid: words.split(",")[0] for wnid, _, words in lines}
    if _find(root, f"{DEVKIT}/data/meta.mat"):
        return {wnid: words.split(",")[0] for wnid, words in _synsets(root).values()}
    return {}


def _synsets(root: Path) -> dict[int, tuple[str, str]]:
    """Return the devkit's WNID and words by ILSVRC2012_ID."""
    from scipy.io import loadmat

    path = _find(root, f"{DEVKIT}/data/meta.mat")
    if path is None:
        raise InputError(f"{DEVKIT}/data/meta.mat is missing in {root} and above")
    try:
        return {
            int(row["ILSVRC2012_ID"]): (str(row["WNID"]), str(row["words"]))
            for row in loadmat(path, squeeze_me=True)["synsets"]
            if int(row["num_children"]) == 0
        }
    except Exception as error:  # scipy raises nearly anything on a damaged file
        raise InputError(f"{path} is damaged or no devkit's ({error})") from error


def _find(root: Path, name: str) -> Path | None:
    places = (root, root.parent, root.parent.parent)  # Kaggle's is two above
    return next((place / name for place in places if (place / name).is_file()), None)


datasets.register("folder")(
    DataEntry(load_folder, "PATH", "image files in a folder for each class")
)
datasets.register("imagenet")(
    DataEntry(load_imagenet, "PATH", "ImageNet-1k in folders as published, with devkit or lists")
)
