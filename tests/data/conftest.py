"""Small data on disk, as a user would bring them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def picture(value: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """One height x width image whose every pixel is ``value``."""
    return Image.fromarray(np.full((*size, 3), value, np.uint8))


def png(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    stream = io.BytesIO()
    picture(value, size).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write class folders; the images of a class are grey, of ascending values from 0."""

    def write(part: str = "", counts: dict[str, int] | None = None, suffix: str = "png") -> Path:
        root = tmp_path / "images"
        for name, count in (counts or {"cat": 12, "dog": 12}).items():
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture(number).save(folder / f"{number:03d}.{suffix}")
        return root

    return write


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write one file; row i is a grey image of value i."""

    def write(
        path: str = "set/train.parquet",
        *,
        labels: Sequence[object] = (0, 1) * 12,
        names: Sequence[str] | None = ("cat", "dog"),
        image: str = "image",
        images: Sequence[object] | None = None,
        row_group_size: int | None = None,
        **columns: Sequence[object],
    ) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        images = images or [{"bytes": png(i), "path": None} for i in range(len(labels))]
        table = pa.table({image: images, "label": labels, **columns})
        if names is not None:
            features = {"label": {"names": list(names), "_type": "ClassLabel"}}
            text = json.dumps({"info": {"features": features}})
            table = table.replace_schema_metadata({"huggingface": text})
        pq.write_table(table, target, row_group_size=row_group_size)
        return target

    return write
