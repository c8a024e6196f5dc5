"""Small data sets in layouts that take more than a line to write."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image


def encoded(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, members: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def sample(number: int, label: bytes | None = None) -> list[tuple[str, bytes]]:
    """Sample ``number`` is grey of that value, and odd ones are of class 1."""
    name = f"sets/{number:04d}"
    described = label if label is not None else str(number % 2).encode()
    return [(f"{name}.png", encoded(number)), (f"{name}.cls", described)]


def shards(folder: Path, sizes: list[int]) -> str:
    start = 0
    for number, size in enumerate(sizes):
        members = [member for n in range(start, start + size) for member in sample(n)]
        write(folder / f"shard-{number:03d}.tar", members)
        start += size
    return f"webdataset:{folder}/shard-{{000..{len(sizes) - 1:03d}}}.tar"


def table(values: range, features: dict[str, Any] | None = None) -> Any:
    """Return a Hugging Face data set whose row of value v is grey of it, and of class v mod 2."""
    import datasets

    columns = {
        "image": [{"bytes": encoded(v), "path": None} for v in values],
        "label": [v % 2 for v in values],
    }
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds | (features or {})))
