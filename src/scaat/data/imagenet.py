"""ImageNet-1k as published: class folders to train on, a flat folder to validate on."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from scaat.data.augmentation import Augmentation
from scaat.data.folder import visible
from scaat.data.lazy import Files, encoded_part
from scaat.data.registry import DataEntry, Part, Source, datasets
from scaat.errors import InputError
from scaat.options.data import DataOptions

DEVKIT = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"
SYNSETS = "LOC_synset_mapping.txt"
VALIDATION = "ILSVRC2012_val_*.JPEG"
PAGE = "https://image-net.org/download-images"


def load_imagenet(argument: str, options: DataOptions) -> Source:
    """Return the training images, and the official validation images as the test part.

    ``PATH`` holds ``train/WNID/*.JPEG`` and ``val`` (``Data/CLS-LOC`` of Kaggle's archive does,
    too). ``val`` has class folders, or the images flat as published, whose classes stand in the
    devkit (`DEVKIT`) or in Kaggle's `SOLUTION`, beside ``val`` or above. A validation part is
    drawn from the training images, as the test labels are not public. ``image_size`` has to be
    given, as images differ in size.

    Raises:
        InputError: A folder or file is missing or damaged, or no ``image_size`` is given.
    """
    if options.image_size is None:
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
    train = [(file, k) for k, wnid in enumerate(wnids) for file in _images(root / "train" / wnid)]
    test = _validation(root, wnids)
    return Source(
        classes,
        _part(train, classes, options.image_size),
        test=_part(test, classes, options.image_size),
        augmentation=Augmentation(crop_padding=options.image_size // 8, horizontal_flip=True),
    )


def _part(items: list[tuple[Path, int]], classes: tuple[str, ...], size: int) -> Part:
    labels = torch.tensor([label for _, label in items])
    return encoded_part(Files([file for file, _ in items]), labels, classes, size)


def _images(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.JPEG"))
    if not found:
        raise InputError(f"class folder {folder} holds no *.JPEG")
    return found


def _validation(root: Path, wnids: list[str]) -> list[tuple[Path, int]]:
    number = {wnid: k for k, wnid in enumerate(wnids)}
    folders = [child for child in visible(root / "val") if child.is_dir()]
    if folders:
        for folder in folders:
            if folder.name not in number:
                raise InputError(f"{folder} is no class of {root / 'train'}")
        return [(file, number[folder.name]) for folder in folders for file in _images(folder)]
    files = sorted((root / "val").glob(VALIDATION))
    if not files:
        raise InputError(f"{root / 'val'} holds neither class folders nor {VALIDATION}")
    truth, source = _truth(root, files)
    for file, wnid in zip(files, truth, strict=True):
        if wnid not in number:
            raise InputError(f"{source} gives {file.name} the class {wnid!r}, which train lacks")
    return [(file, number[wnid]) for file, wnid in zip(files, truth, strict=True)]


def _truth(root: Path, files: list[Path]) -> tuple[list[str], Path]:
    """Return each validation image's class, and the file that says so."""
    if path := _find(root, SOLUTION):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = {
                    row["ImageId"]: row["PredictionString"].split()[0]
                    for row in csv.DictReader(file)
                }
            return [rows[image.stem] for image in files], path
        except (OSError, KeyError, IndexError, AttributeError, ValueError) as error:
            raise InputError(f"{path} is damaged or lacks an image ({error})") from error
    path = _find(root, f"{DEVKIT}/data/{TRUTH}") or _find(root, TRUTH)
    if path is None:
        raise InputError(
            f"the classes of {root / 'val'} are not known: expected class folders, {DEVKIT} or "
            f"{SOLUTION} in {root} or above"
        )
    synsets = _synsets(root)
    try:
        ids = [int(line) for line in path.read_text(encoding="utf-8").split()]
        # A file's number, from 1 on, is its line.
        return [synsets[ids[int(file.stem.rpartition("_")[2]) - 1]][0] for file in files], path
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path} is damaged or lacks an image ({error})") from error


def _words(root: Path) -> dict[str, str]:
    """Return the classes' names by WNID, where they are known."""
    if path := _find(root, SYNSETS):
        lines = path.read_text(encoding="utf-8").splitlines()
        return {line.partition(" ")[0]: line.partition(" ")[2].split(",")[0] for line in lines}
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
        rows = loadmat(path, squeeze_me=True)["synsets"]
        return {
            int(row["ILSVRC2012_ID"]): (str(row["WNID"]), str(row["words"]))
            for row in rows
            if int(row["num_children"]) == 0
        }
    except Exception as error:  # scipy raises nearly anything on a damaged file
        raise InputError(f"{path} is damaged or no devkit's ({error})") from error


def _find(root: Path, name: str) -> Path | None:
    places = (root, root.parent, root.parent.parent)  # Kaggle's lies two above
    return next((place / name for place in places if (place / name).is_file()), None)


datasets.register("imagenet")(
    DataEntry(load_imagenet, "PATH", "ImageNet-1k in folders as published, with devkit or lists")
)
