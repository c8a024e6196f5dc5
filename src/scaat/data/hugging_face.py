"""Parquet files in Hugging Face's layout, and data sets of its library.

Parquet files are read in place: the library would first copy every image into its cache.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scaat.data.augmentation import COMMON
from scaat.data.decoding import Encoded
from scaat.data.registry import (
    Part,
    Source,
    dataset,
    encoded_part,
    part_files,
    unnamed_classes,
)
from scaat.errors import InputError, did_you_mean
from scaat.options.data import DataOptions

if TYPE_CHECKING:
    import pyarrow as pa


BATCH = 512  # rows whose encoded images are in memory at once
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
LABELS = ("label", "labels", "fine_label")


@dataset("parquet", "PATH", "Parquet files in Hugging Face's layout")
def load_parquet(argument: str, options: DataOptions) -> Source:
    """Return the images of one Parquet file (a training part), or of a folder of them.

    A folder (or its ``data`` subfolder) holds ``train*.parquet`` and may hold ``val*.parquet`` and
    ``test*.parquet``. Columns: ``image`` or ``img`` (Hugging Face's struct with ``bytes``, or
    binary), ``label`` (integer), optionally ``bbox`` (x0, y0, x1, y1 in pixels; the second corner
    is the edge behind the object, or with ``inclusive_boxes`` its last pixel) and the one that
    ``group`` names. The classes' names come from Hugging Face's description in the schema; without
    it they are the integers from 0 to the greatest label.

    Raises:
        InputError: a file or column is missing, unreadable or of another type, a label is out of
            range, or an image is at fault (see `decode_images`).
    """
    files = _files(Path(argument).expanduser())
    tables = {part: [_Table(path, options) for path in paths] for part, paths in files.items()}
    classes = _classes([table for part in tables.values() for table in part])
    codes: dict[object, int] = {}  # one numbering of the groups for all parts
    size = options.image_size
    parts = {part: _table_part(some, classes, codes, size) for part, some in tables.items()}
    return Source.of_parts(classes, parts, COMMON)


def column_names(argument: str) -> list[str]:
    """Return the columns of the first file of ``parquet:ARGUMENT``; `InputError` without one."""
    import pyarrow.parquet as pq

    path = next(iter(_files(Path(argument).expanduser()).values()))[0]
    with _readable(path):
        return list(pq.read_schema(path).names)


class _Table:
    """One file: its columns in memory, checked, and its encoded images read in blocks."""

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
            description = (file.schema_arrow.metadata or {}).get(b"huggingface", b"")
            table = file.read(columns=wanted)
        self.names: tuple[str, ...] | None = None
        with suppress(ValueError, KeyError, TypeError):  # no description, or one without names
            features = json.loads(description)["info"]["features"]
            self.names = tuple(features["label"]["names"]) or None
        ids = self._without_gaps(table, "label", "a class id").to_numpy()
        self.labels = torch.tensor(ids.astype(np.int64))
        for bad in (self.labels < 0).nonzero().flatten()[:1].tolist():
            raise InputError(
                f"row {bad} of {path} has label {int(self.labels[bad])}; expected 0 or more"
            )
        self.boxes = self._boxes(table["bbox"]) if "bbox" in wanted else None
        if options.inclusive_boxes:
            if self.boxes is None:
                raise InputError(f"{path} has no column 'bbox'; expected one with inclusive_boxes")
            self.boxes[:, 2:] += 1
        self.groups: list[object] | None = None
        if group:
            self.groups = self._without_gaps(table, group, "a group").to_pylist()

    def take(self, rows: Tensor) -> Iterator[Encoded]:
        """Yield the encoded images of these ascending rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        chosen = rows.numpy()
        with _readable(self.path), pq.ParquetFile(self.path) as file:
            counts = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
            starts = np.cumsum([0, *counts])
            for group in np.unique(np.searchsorted(starts, chosen, side="right") - 1).tolist():
                start = int(starts[group])
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

        kind = content = schema.field(self.image).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            content = kind.field("bytes").type
        if not (pa.types.is_binary(content) or pa.types.is_large_binary(content)):
            raise InputError(
                f"column {self.image!r} of {self.path} holds {kind}; "
                "expected encoded images, as binary or a struct with 'bytes'"
            )
        kind = schema.field("label").type
        if not pa.types.is_integer(kind):
            raise InputError(
                f"column 'label' of {self.path} holds {kind}; expected integer class ids, or lists "
                "of labels with --data hf:FOLDER"
            )

    def _without_gaps(self, table: pa.Table, name: str, expected: str) -> pa.ChunkedArray:
        if table[name].null_count:
            raise InputError(f"column {name!r} of {self.path} has gaps; expected {expected} a row")
        return table[name]

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


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as a Parquet file ({reason})") from error


def _files(path: Path) -> dict[str, list[Path]]:
    """Return the files of each part that there is, in the order of their names."""
    if path.is_file():
        return {"train": [path]}
    if not path.is_dir():
        raise InputError(f"{path} does not exist; expected a Parquet file or a folder of them")
    files = part_files(path, ".parquet") or part_files(path / "data", ".parquet")
    if not files:
        raise InputError(f"{path} holds no train*.parquet, nor does its subfolder 'data'")
    return files


def _classes(tables: list[_Table]) -> tuple[str, ...]:
    """Return the one list of classes that all files agree on."""
    named = [table for table in tables if table.names]
    for table in named:
        if table.names != named[0].names:
            raise InputError(
                f"{table.path} and {named[0].path} name different classes; expected the same ones"
            )
    if not named:
        greatest = max(int(table.labels.max()) if len(table.labels) else 0 for table in tables)
        fault = f"column 'label' holds {greatest}, but the Parquet files name no classes"
        return unnamed_classes(greatest, fault)
    classes = named[0].names
    assert classes is not None
    for table in tables:
        for bad in (table.labels >= len(classes)).nonzero().flatten()[:1].tolist():
            raise InputError(
                f"row {bad} of {table.path} has label {int(table.labels[bad])}; "
                f"expected less than {len(classes)}, the number of its class names"
            )
    return classes


def _table_part(
    tables: list[_Table], classes: tuple[str, ...], codes: dict[object, int], size: int | None
) -> Part:
    labels = torch.cat([table.labels for table in tables])
    starts = np.cumsum([0] + [len(table.labels) for table in tables])
    if not len(labels):
        raise InputError(f"{tables[0].path} has no rows; expected an image a row")
    known = [table.boxes for table in tables if table.boxes is not None]
    boxes = torch.cat(known) if len(known) == len(tables) else None
    groups = None
    if tables[0].groups is not None:
        values = [value for table in tables for value in table.groups or ()]
        groups = torch.tensor([codes.setdefault(value, len(codes)) for value in values])

    def encoded(positions: Tensor) -> Iterator[Encoded]:
        for table, start, end in zip(tables, starts, starts[1:], strict=False):
            inside = positions[(positions >= start) & (positions < end)]
            yield from table.take(inside - start)

    return encoded_part(encoded, labels, classes, size, boxes=boxes, groups=groups, in_order=True)


def read_rows(table: Any, name: str, column: str, positions: Tensor) -> Iterator[Encoded]:
    """Yield the encoded images of a library's split called ``name`` at int64 (M,) positions.

    ``column`` is that of the images, which are not decoded.
    """
    rows = positions.tolist()
    for row, image in zip(rows, table[rows][column], strict=True):
        source = image and (image["bytes"] or (image["path"] and Path(image["path"])))
        yield f"row {row} of {name}", source


@dataset("hf", "NAME", "Hugging Face data sets, from the hub or a folder")
def load_hub(argument: str, options: DataOptions) -> Source:
    """Return a data set's splits ``train``, ``validation`` (or ``val``) and ``test``.

    ``NAME`` is a folder that ``save_to_disk`` wrote, a folder or name that ``load_dataset`` takes,
    or a name on the hub (``user/set``, with ``:config`` if there are several). The images' column
    is the one of type Image, the labels' one of `LABELS`: class ids, or several labels a row as a
    list of ClassLabel (ids of those present) or of a 0 or 1 for each label. What ``load_dataset``
    reads is stored in its cache (``HF_HOME``). No code of a data set is executed: the library
    cannot from version 4 on.

    Raises:
        InputError: The library is missing or cannot find or load the data, or a column is missing
            or of another type.
    """
    try:
        library: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(
            f"data 'hf:{argument}' needs the package datasets (pip install 'datasets>=4')"
        ) from error
    splits = _read(library, argument)
    tables = {
        part: splits[name] for part, names in SPLITS.items() for name in names if name in splits
    }
    if "train" not in tables and set(tables) != {"test"}:
        raise InputError(f"{argument!r} has splits {', '.join(splits)}; expected one named train")
    image, label, classes = _columns(library, next(iter(tables.values())), argument)
    parts = {}
    for part, table in tables.items():
        name = f"{argument} {part}"
        read = _several_labels if hasattr(table.features[label], "feature") else _split_labels
        labels = read(table, label, classes, name)
        undecoded = table.cast_column(image, library.Image(decode=False))
        take = partial(read_rows, undecoded, name, image)
        parts[part] = encoded_part(take, labels, classes, options.image_size)
    return Source.of_parts(classes, parts, COMMON)


def _read(library: Any, argument: str) -> Any:
    folder = Path(argument).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = library.load_from_disk(str(folder))
        else:
            name, _, config = argument.partition(":")
            loaded = library.load_dataset(name, config or None)
    except Exception as error:  # of the network, of files, and of the library's own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"data 'hf:{argument}' cannot be loaded ({reason}); expected a folder, or a name on "
            "the Hugging Face hub, which needs a network or an earlier download"
        ) from error
    return loaded if hasattr(loaded, "keys") else {"train": loaded}


def _columns(library: Any, table: Any, argument: str) -> tuple[str, str, tuple[str, ...]]:
    features = table.features
    images = [name for name, kind in features.items() if isinstance(kind, library.Image)]
    labels = [name for name in LABELS if name in features]
    for kind, names in (("of type Image", images), (f"named {' or '.join(LABELS)}", labels)):
        if not names:
            raise InputError(
                f"{argument!r} has no column {kind}; found {', '.join(map(repr, features))}"
            )
    feature = features[labels[0]]
    several = getattr(feature, "feature", None)  # of each item of a list
    kind = feature if several is None else several
    if isinstance(kind, library.ClassLabel):
        return images[0], labels[0], tuple(kind.names)
    if not str(getattr(kind, "dtype", "")).startswith(("int", "uint")):
        raise InputError(
            f"column {labels[0]!r} of {argument!r} holds {feature}; expected class ids, or lists"
        )
    if several is not None:
        width = len(next((row for row in table[labels[0]] if row), ()))
        return images[0], labels[0], unnamed_classes(width - 1, "")
    greatest = max((value for value in table[labels[0]] if value is not None), default=0)
    fault = f"column {labels[0]!r} of {argument!r} holds {greatest}, but names no classes"
    return images[0], labels[0], unnamed_classes(greatest, fault)


def _split_labels(table: Any, column: str, classes: tuple[str, ...], name: str) -> Tensor:
    ids = _values(table, column, name)
    for row, label in enumerate(ids):
        if label is None or not 0 <= label < len(classes):
            raise InputError(
                f"row {row} of {name} has label {label}; expected 0 to {len(classes) - 1}"
            )
    return torch.tensor(ids)


def _several_labels(table: Any, column: str, classes: tuple[str, ...], name: str) -> Tensor:
    """Return float32 (N, labels), 1 for each label that is present in a row, else 0."""
    count = len(classes)
    if count < 2:
        raise InputError(f"column {column!r} of {name} lists {count} labels; expected two or more")
    rows = _values(table, column, name)
    named = hasattr(table.features[column].feature, "names")
    labels = torch.zeros(len(rows), count)
    for row, values in enumerate(rows):
        if named and values is not None and all(value in range(count) for value in values):
            labels[row, values] = 1
        elif not named and values and len(values) == count and set(values) <= {0, 1}:
            labels[row] = torch.tensor(values)
        else:
            expected = f"ids from 0 to {count - 1}" if named else f"{count} numbers, each 0 or 1"
            raise InputError(f"row {row} of {name} has labels {values!r:.60}; expected {expected}")
    return labels


def _values(table: Any, column: str, name: str) -> list[Any]:
    values: list[Any] = table[column][:]
    if not values:
        raise InputError(f"{name} has no rows; expected an image a row")
    return values
