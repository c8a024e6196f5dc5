"""The checksums that were published with data sets, as torchvision holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path


def wrong_checksums(kind: str, path: Path) -> Iterator[str]:
    """Yield a sentence for each file of a data set that is not what was published.

    Args:
        kind: The data set's name.
        path: Its folder or file. Files below it are told by their names; of other kinds and
            names nothing is known.
    """
    known = _published(kind)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.name in known and file.is_file():
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "md5").hexdigest()
            if found not in known[file.name]:
                expected = " or ".join(sorted(known[file.name]))
                yield f"{file} has MD5 {found}, published is {expected}"


def _published(kind: str) -> dict[str, set[str]]:
    """Return the MD5 sums by file name; the sets of the MNIST family share their names."""
    from torchvision import datasets

    pairs: list[tuple[str, str]] = []
    if kind in ("cifar10", "cifar100"):
        source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[kind]
        pairs += [(name, digest) for name, digest in (*source.train_list, *source.test_list)]
        pairs += [(source.meta["filename"], source.meta["md5"])]
        pairs += [(source.filename, source.tgz_md5)]
    elif kind == "mnist":
        for source in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
            pairs += source.resources
    elif kind == "pcam":
        # Of the packed files as published, and of nothing else.
        files = (file for part in datasets.PCAM._FILES.values() for file in part.values())
        pairs += [(f"{name}.gz", digest) for name, _, digest in files]
    known: dict[str, set[str]] = {}
    for name, digest in pairs:
        known.setdefault(name, set()).add(digest)
    return known
