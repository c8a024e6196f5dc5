"""Whether data are still those of a training: a changed folder is split in another way."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from scaat.data import DataSplits
from scaat.data.image_set import class_counts
from scaat.errors import InputError
from scaat.files import write_text
from scaat.training.checkpoint import checkpoints

LABELS = "labels.sha256"


def labels_checksum(train: Tensor, validation: Tensor, test: Tensor, *, classes: int) -> str:
    """Return the SHA-256 of the labels of a split, in hexadecimal digits.

    Of the training part the counts are taken, which shuffled labels (``random_labels``) keep.
    """
    digest = hashlib.sha256(repr(class_counts(train, classes)).encode())
    for labels in (validation, test):
        digest.update(repr(tuple(labels.shape)).encode())
        digest.update(labels.long().contiguous().numpy().data)
    return digest.hexdigest()


def checksum_of(splits: DataSplits) -> str:
    """Return the `labels_checksum` of data that are loaded."""
    labels = (splits.train.labels, splits.validation.labels, splits.test.labels)
    return labels_checksum(*labels, classes=splits.train.num_classes)


def record_data(folder: Path, splits: DataSplits) -> None:
    """Write which data a training in ``folder`` has; `InputError` if it began with others."""
    if checkpoints(folder):  # a training of a version that recorded nothing stays without
        check_data(folder, checksum_of(splits), splits.name)
    else:
        write_text(folder / LABELS, f"{checksum_of(splits)}\n")


def check_data(folder: Path, checksum: str, name: str) -> None:
    """Raise `InputError` if data called ``name`` are not those of the training in ``folder``.

    Trainings of versions that recorded no `labels_checksum` are not checked.
    """
    path = folder / LABELS
    if path.is_file() and path.read_text(encoding="utf-8").strip() != checksum:
        raise InputError(
            f"data {name!r} are no longer those of the training in {str(folder)!r}: their split "
            "has other labels, so that training images may be among the test images; expected the "
            "same images"
        )
