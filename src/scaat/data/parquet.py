"""Parquet files in Hugging Face's layout, read with pyarrow: no network, no cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import COMMON
from scaat.data.decoding import Encoded, decode_images
from scaat.data.image_set import ImageSet
from scaat.data.registry import MOST_UNNAMED, DataEntry, Part, Source, datasets
from scaat.data.resizing import fit_boxes
from scaat.errors import InputError, did_you_mean
from scaat.options.data import DataOptions

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PATTERNS = {"train": "train*.parquet", "validation": "val*.parquet", "test": "test*.parquet"}
BATCH = 512  # rows whose encoded images are in memory at once


def load_parquet(argument: str, options: DataOptions) -> Source:
    """Return the images of one Parquet file, or of a folder of them.

    A folder (or its ``data`` subfolder) holds ``train*.parquet`` and may hold
    ``validation*.parquet`` (or ``val*``) and ``test*.parquet``; one file is a training part.
    Columns: ``image`` or ``img`` (Hugging Face's struct with ``bytes``, or binary), ``label``
    (integer), optionally ``bbox`` (x0, y0, x1, y1 in pixels; the second corner is the edge behind
    the object, or with ``inclusive_boxes`` its last pixel) and the one that ``group`` names.
    The classes' names come from Hugging Face's feature description in the schema; without it
    they are the integers from 0 to the greatest label.

    Raises:
        InputError: a file or column is missing, unreadable or of another type, a label is out
            of range, or an image is at fault (see `decode_images`).
    """
    files = _files(Path(argument).expanduser())
    tables = {part: [_Table(path, options) for path in paths] for part, paths in files.items()}
    classes = _classes([table for part in tables.values() for table in part])
    codes: dict[object, int] = {}  # one numbering of the groups for all parts
    parts = {
        part: _part(found, classes, codes, options.image_size)
        for part, found in tables.items()
        if found
    }
    return Source(
        classes, parts["train"], parts.get("validation"), parts.get("test"), augmentation=COMMON
    )


class _Table:
    """One file's columns without its images, checked."""

    def __init__(self, path: Path, options: DataOptions) -> None:
        import pyarrow.parquet as pq

        group = options.group
        self.path = path
        with _readable(path), pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            self.image = self._column(columns, "image", "img")
            wanted = [self._column(columns, "label")]
            wanted += ["bbox"] if "bbox" in columns else []
            wanted += [self._column(columns, group)] if group else []
            self._check_type(file.schema_arrow)
            self.names = _class_names(file.schema_arrow)
            table = file.read(columns=wanted)
        self.labels = self._labels(table["label"])
        self.boxes = self._boxes(table["bbox"]) if "bbox" in wanted else None
        if options.inclusive_boxes:
            if self.boxes is None:
                raise InputError(f"{path} has no column 'bbox'; expected one with inclusive_boxes")
            self.boxes[:, 2:] += 1
        self.groups = self._groups(table[group], group) if group else None

    def images(self, rows: Tensor) -> Iterator[Encoded]:
        """Yield these ascending rows' encoded images, a block of rows in memory at a time."""
        import pyarrow.parquet as pq

        with _readable(self.path), pq.ParquetFile(self.path) as file:
            chosen, start = rows.numpy(), 0
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                if np.searchsorted(chosen, start) < np.searchsorted(chosen, end):
                    yield from self._row_group(file, group, start, chosen)
                start = end

    def _row_group(
        self, file: pq.ParquetFile, group: int, start: int, chosen: np.ndarray
    ) -> Iterator[Encoded]:
        import pyarrow as pa

        for batch in file.iter_batches(BATCH, row_groups=[group], columns=[self.image]):
            column = batch.column(0)
            if pa.types.is_struct(column.type):
                column = column.field("bytes")
            first, last = np.searchsorted(chosen, [start, start + len(column)])
            for row in chosen[first:last].tolist():
                yield f"row {row} of {self.path}", column[row - start].as_py()
            start += len(column)

    def _column(self, columns: list[str], *names: str) -> str:
        for name in names:
            if name in columns:
                return name
        raise InputError(
            f"{self.path} has no column {' or '.join(map(repr, names))}"
            f"{did_you_mean(names[0], columns)}; found {', '.join(map(repr, columns))}"
        )

    def _check_type(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        kind = schema.field(self.image).type
        if pa.types.is_struct(kind):
            index = kind.get_field_index("bytes")
            content = kind.field(index).type if index >= 0 else None
        else:
            content = kind
        if content is None or not (
            pa.types.is_binary(content) or pa.types.is_large_binary(content)
        ):
            raise InputError(
                f"column {self.image!r} of {self.path} holds {kind}; "
                "expected encoded images, as binary or a struct with 'bytes'"
            )
        kind = schema.field("label").type
        if not pa.types.is_integer(kind):
            raise InputError(
                f"column 'label' of {self.path} holds {kind}; expected integer class ids"
            )

    def _labels(self, column: pa.ChunkedArray) -> Tensor:
        if column.null_count:
            raise InputError(f"column 'label' of {self.path} has gaps; expected a class id a row")
        labels = torch.tensor(column.to_numpy().astype(np.int64))
        for bad in (labels < 0).nonzero().flatten()[:1].tolist():
            raise InputError(
                f"row {bad} of {self.path} has label {int(labels[bad])}; expected 0 or more"
            )
        return labels

    def _boxes(self, column: pa.ChunkedArray) -> Tensor:
        try:
            boxes = np.array(column.to_pylist(), dtype=np.float32)
        except (TypeError, ValueError):
            boxes = np.empty((0, 0), np.float32)
        if boxes.shape != (len(column), 4):
            raise InputError(
                f"column 'bbox' of {self.path} holds {column.type} of varying length; "
                "expected x0, y0, x1, y1 in every row"
            )
        for bad in np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))[:1].tolist():
            raise InputError(
                f"row {bad} of {self.path} has bbox {boxes[bad].tolist()}; "
                "expected x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
            )
        return torch.from_numpy(boxes)

    def _groups(self, column: pa.ChunkedArray, name: str) -> list[object]:
        if column.null_count:
            raise InputError(f"column {name!r} of {self.path} has gaps; expected a group a row")
        values: list[object] = column.to_pylist()
        return values


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as a Parquet file ({reason})") from error


def _files(path: Path) -> dict[str, list[Path]]:
    """Return the files of each part, in the order of their names."""
    if path.is_file():
        return {"train": [path]}
    if not path.is_dir():
        raise InputError(f"{path} does not exist; expected a Parquet file or a folder of them")
    for folder in (path, path / "data"):
        files = {part: sorted(folder.glob(pattern)) for part, pattern in PATTERNS.items()}
        if files["train"]:
            return files
    raise InputError(f"{path} holds no {PATTERNS['train']}, nor does its subfolder 'data'")


def _class_names(schema: pa.Schema) -> tuple[str, ...] | None:
    """Return the class names that Hugging Face's description of the features holds, if any."""
    description = (schema.metadata or {}).get(b"huggingface")
    if description is None:
        return None
    features: dict[str, Any] = json.loads(description).get("info", {}).get("features", {})
    names = features.get("label", {}).get("names")
    return tuple(names) if names else None


def _classes(tables: list[_Table]) -> tuple[str, ...]:
    """Return the one list of classes that all files agree on."""
    named = [table for table in tables if table.names]
    for table in named:
        if table.names != named[0].names:
            raise InputError(
                f"{table.path} and {named[0].path} name different classes; expected the same ones"
            )
    if not named:
        greatest = max(
            (int(table.labels.max()) for table in tables if len(table.labels)), default=0
        )
        if greatest >= MOST_UNNAMED:
            raise InputError(
                f"column 'label' holds {greatest}, but the Parquet files name no classes; "
                f"expected class ids below {MOST_UNNAMED:,}"
            )
        return tuple(str(label) for label in range(greatest + 1))
    classes = named[0].names
    assert classes is not None
    for table in tables:
        for bad in (table.labels >= len(classes)).nonzero().flatten()[:1].tolist():
            raise InputError(
                f"row {bad} of {table.path} has label {int(table.labels[bad])}; "
                f"expected less than {len(classes)}, the number of its class names"
            )
    return classes


def _part(
    tables: list[_Table], classes: tuple[str, ...], codes: dict[object, int], size: int | None
) -> Part:
    labels = torch.cat([table.labels for table in tables])
    starts = np.cumsum([0] + [len(table.labels) for table in tables])
    if not len(labels):
        raise InputError(f"{tables[0].path} has no rows; expected an image a row")
    boxes = _joined([table.boxes for table in tables])
    groups = None
    if tables[0].groups is not None:
        values = [value for table in tables for value in table.groups or ()]
        groups = torch.tensor([codes.setdefault(value, len(codes)) for value in values])

    def encoded(positions: Tensor) -> Iterator[Encoded]:
        for table, start, end in zip(tables, starts, starts[1:], strict=False):
            inside = positions[(positions >= start) & (positions < end)]
            yield from table.images(inside - start)

    def load(positions: Tensor) -> ImageSet:
        images, sizes = decode_images(encoded(positions), len(positions), size)
        chosen = None if boxes is None else boxes[positions]
        if chosen is not None and size is not None:
            chosen = fit_boxes(chosen, sizes, size)
        return ImageSet(
            images,
            labels[positions],
            classes,
            boxes=chosen,
            groups=None if groups is None else groups[positions],
        )

    return Part(labels, load, groups, encoded=encoded)


def column_names(argument: str) -> list[str]:
    """Return the columns of the files of ``parquet:ARGUMENT``, those of the first file.

    Raises:
        InputError: There is no such file, or it is no Parquet file.
    """
    import pyarrow.parquet as pq

    path = _files(Path(argument).expanduser())["train"][0]
    with _readable(path):
        return list(pq.read_schema(path).names)


def _joined(boxes: list[Tensor | None]) -> Tensor | None:
    """Return all boxes, or None where a file has none."""
    known = [box for box in boxes if box is not None]
    return torch.cat(known) if len(known) == len(boxes) else None


datasets.register("parquet")(
    DataEntry(load_parquet, "PATH", "Parquet files in Hugging Face's layout")
)
