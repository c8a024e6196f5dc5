"""A study in three files: the settings that its trials share, a table of trials, and arrays.

Columns of ``trials.csv`` are the paths in ``results.json``, joined by dots. A cell is JSON, or a
string as it is; an empty one means that the row has no such entry.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scaat.errors import InputError
from scaat.files import read_yaml, replacing, write_json, write_text, write_yaml
from scaat.report.reading import FILE
from scaat.report.results import ARRAY_FILES
from scaat.studies.trial import FAILURE, Part
from scaat.training.folder import CONFIG, read_config

TRIALS = "trials"
TABLE, ARRAYS = "trials.csv", "per_image.parquet"

Record = dict[str, Any]
"""``folder`` (below ``trials``), the entries of a row of ``results.json`` and of its file.

Its ``settings`` are the file's; ``measured`` holds where the row's own differ from these.
"""

_SHARED = ("schema", "environment", "classes", "settings", "measured", "training", "shapes")
"""Entries of a record that go to ``config.yaml`` where all records agree."""
_IDENTITY = ("data", "model", "method", "seed")
_FIRST = ("folder", *_IDENTITY, "attribution", "failure", "settings")
_LAST = ("train_seconds", "cost_ratio", *_SHARED)
_PARTS = ("value", "low", "high", "n", "unbounded")
_OF_FILE = ("images", "labels", "masks")
"""Arrays of ``examples.npz`` that all rows of a file have in common."""


def is_packed(study: Path) -> bool:
    """Return whether a folder holds a packed study."""
    return (study / TABLE).is_file()


def pack(study: Path | str) -> None:
    """Write ``config.yaml``, ``trials.csv`` and ``per_image.parquet`` of ``study/trials``.

    ``config.yaml`` has what all trials have in common, ``trials.csv`` a row for each trial and
    saliency method, ``per_image.parquet`` its values by image, curves and example images. The
    trials' folders stay: they hold the models. All else can be restored by `unpack`.
    """
    study = Path(study)
    records: list[Record] = []
    arrays: list[dict[str, Any]] = []
    for path in sorted((study / TRIALS).rglob("*.json")):
        if path.name not in (FILE, FAILURE):
            continue
        folder = path.parent.relative_to(study / TRIALS).as_posix()
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.name == FAILURE:
            settings = {k: v for k, v in read_config(path.parent).items() if k != "command"}
            records.append({"folder": folder, "settings": settings, "failure": content["error"]})
            arrays.append({})
        else:
            stored = {name: _load(path.with_name(name)) for name in ARRAY_FILES}
            if path.with_name(CONFIG).is_file():  # may state a default that has changed since
                config = read_config(path.parent)
                content["settings"].update({k: config[k] for k in ("objectives",) if k in config})
            for index, record in enumerate(_records(content)):
                records.append({"folder": folder, **record})
                arrays.append(_arrays_of(stored, index))
    flat = [dict(_flatten(record)) for record in records]
    for row, own in zip(flat, arrays, strict=True):
        own |= {key: row.pop(key) for key in list(row) if _is_curve(row[key])}
        for key, values in own.items():
            if np.ndim(values) > 1:
                row[f"shapes.{key}"] = list(values.shape)
    (study / TABLE).unlink(missing_ok=True)  # written last: where it is, the others fit it
    shared = _common(flat)
    columns = sorted({key for row in flat for key in row} - set(shared), key=_place)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    for row in flat:
        table.writerow({key: _cell(row[key]) for key in columns if key in row})
    with replacing(study / ARRAYS) as part:
        pq.write_table(_lists(arrays), part, compression="zstd")
    write_yaml(study / CONFIG, _nest({key: shared[key] for key in sorted(shared, key=_place)}))
    write_text(study / TABLE, text.getvalue())


def unpack(study: Path | str, into: Path | None = None) -> list[Path]:
    """Write the trials' folders of a packed study, without models; those that are there stay.

    Args:
        study: A folder with `pack`'s three files.
        into: Where to write; ``study/trials`` by default.

    Returns:
        The folders with ``results.json``, in the table's order.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    study = Path(study)
    into = study / TRIALS if into is None else into
    groups: dict[str, list[tuple[Record, dict[str, Any]]]] = {}
    for record, arrays in _read(study):
        groups.setdefault(record.pop("folder"), []).append((record, arrays))
    for name, rows in groups.items():
        _write_folder(into, name, rows)
    return [into / name for name in groups if (into / name / FILE).is_file()]


def _records(content: Mapping[str, Any]) -> Iterator[Record]:
    """Yield the rows of a ``results.json``, each with what the file says of all of them."""
    settings = content["settings"]
    for row in content["rows"]:
        row = dict(row)
        measured = row.pop("settings")
        bases = _bases(settings, row["method"])
        # What was used, where it is not what the configuration says.
        used = {
            part: dict(item for item in value.items() if item not in bases.get(part, {}).items())
            for part, value in measured.items()
        }
        yield {
            **row,
            **{key: content[key] for key in ("schema", "settings", "environment", "classes")},
            "measured": {part: value for part, value in used.items() if value},
            **_training_of(row, content.get("trainings", [])),
        }


def _bases(settings: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return the parts of a configuration that the settings of a row repeat."""
    objectives = settings.get("objectives", {})
    return {
        "objective": objectives.get(settings.get("method", method), {}),
        **{part: settings.get(part) or {} for part in ("training", "data", "evaluation")},
    }


def _training_of(row: Record, trainings: Sequence[Record]) -> Record:
    """Return the training of a row's model, if any, without what the row says of it."""
    for training in trainings:
        if all(training[key] == row[key] for key in ("method", "seed")):
            own = {k: v for k, v in training.items() if k not in _IDENTITY or row[k] != v}
            return {"training": own}
    return {}


def _arrays_of(stored: Mapping[str, Mapping[str, Any]], index: int) -> dict[str, Any]:
    arrays = {}
    for file, of_file in stored.items():
        for name, values in of_file.items():
            row, slash, inner = name.partition("/")
            if row == str(index) if slash else index == 0:
                arrays[f"{file.removesuffix('.npz')}.{inner if slash else name}"] = values
    return arrays


def _write_folder(into: Path, name: str, rows: Sequence[tuple[Record, dict[str, Any]]]) -> None:
    """Write one folder of results, or of a failed trial, with its configuration."""
    folder, record = into / name, rows[0][0]
    settings = record["settings"]
    if (folder / FILE).exists() or (folder / FAILURE).exists():
        return
    training = {k: v for k, v in settings.items() if k != "evaluation"} | {"command": "train"}
    if "failure" in record:
        _write_once(folder, training)
        write_json(folder / FAILURE, {"error": record["failure"]})
        return
    trial, *parts = Path(name).parts
    if len(parts) == 2 and parts[0] in get_args(Part):  # as `run_trial` names them
        _write_once(into / trial, training)
    _write_once(folder, settings)
    stored: dict[str, dict[str, Any]] = {file: {} for file in ARRAY_FILES}
    content: Record = {key: record[key] for key in ("schema", "environment", "classes")}
    content |= {"rows": [], "settings": settings}
    trainings: dict[tuple[Any, ...], Record] = {}
    for index, (row, arrays) in enumerate(rows):
        for key, values in arrays.items():
            file, _, inner = key.partition(".")
            shared = file == "examples" and inner in _OF_FILE
            stored[f"{file}.npz"][inner if shared else f"{index}/{inner}"] = values
        measured, bases = row.get("measured", {}), _bases(settings, row["method"])
        used = {
            part: {**bases.get(part, {}), **measured.get(part, {})} for part in [*bases, *measured]
        }
        if "training" in row:
            training = {**{key: row[key] for key in _IDENTITY}, **row["training"]}
            trainings[tuple(training[key] for key in _IDENTITY)] = training
        own = {key: value for key, value in row.items() if key not in _SHARED}
        content["rows"].append({**own, "settings": used})
    content["trainings"] = list(trainings.values())
    for file, of_file in stored.items():
        if of_file:
            with replacing(folder / file) as part, part.open("wb") as handle:
                np.savez_compressed(handle, **of_file)
    write_json(folder / FILE, content)


def _write_once(folder: Path, config: Mapping[str, Any]) -> None:
    if not (folder / CONFIG).exists():
        write_yaml(folder / CONFIG, config)


def _read(study: Path) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Yield the records of a packed study, each with its arrays of the two archives."""
    try:
        shared = dict(_flatten(read_yaml(study / CONFIG) or {}))
        lists = pq.read_table(study / ARRAYS).combine_chunks()
        with (study / TABLE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, pa.ArrowException, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"study {str(study)!r} cannot be read: {error}") from error
    if len(rows) != len(lists):
        raise InputError(
            f"{str(study / ARRAYS)!r} has {len(lists)} rows, expected {len(rows)}, as {TABLE}"
        )
    columns = {name: lists[name].combine_chunks() for name in lists.column_names}
    for index, cells in enumerate(rows):
        flat = {**shared, **{key: _value(cell) for key, cell in cells.items() if cell}}
        arrays = {}
        for name, column in columns.items():
            entry = column[index]
            if not entry.is_valid:
                continue
            if f"{name.partition('.')[0]}.npz" in ARRAY_FILES:
                values = entry.values.to_numpy(zero_copy_only=False)
                arrays[name] = values.reshape(flat.get(f"shapes.{name}", values.shape))
            else:
                flat[name] = entry.as_py()
        yield _nest(flat), arrays


def _lists(arrays: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the arrays as columns of lists, flat, null where a row has none."""
    columns = {}
    for name in sorted({key for row in arrays for key in row}):
        entries = [row.get(name) for row in arrays]
        known = [v for v in entries if v is not None]
        is_curve = isinstance(known[0], list)  # of floats and None
        dtype = np.dtype(np.float64) if is_curve else np.result_type(*known)
        flat = [None if v is None else np.ravel(v) for v in entries]
        columns[name] = pa.array(flat, pa.list_(pa.from_numpy_dtype(dtype)))
    return pa.table(columns) if columns else pa.table({"curves": pa.nulls(len(arrays))})


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as store:
        return dict(store)


def _is_curve(value: Any) -> bool:
    numbers = isinstance(value, list) and value != []
    return numbers and all(v is None or type(v) is float for v in value)


def _common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries that all rows share and that say how, not what, was measured."""

    def agrees(key: str, value: Any, row: Mapping[str, Any]) -> bool:
        if "failure" in row and not re.match(r"settings\.(?!command|evaluation)", key):
            return True  # it was not measured
        return key in row and _cell(row[key]) == _cell(value)

    first = next((row for row in rows if "failure" not in row), {})
    return {
        key: value
        for key, value in first.items()
        if (value is None or key.partition(".")[0] in _SHARED)
        and all(agrees(key, value, row) for row in rows)
    }


def _place(column: str) -> tuple[int, str, int]:
    """Return the place of a column: identity, settings, metrics by name, and the rest."""
    top, (stem, _, part) = column.partition(".")[0], column.rpartition(".")
    if top in _FIRST:
        group = _FIRST.index(top)
    else:
        group = len(_FIRST) + (1 + _LAST.index(top) if top in _LAST else 0)
    return (group, stem, _PARTS.index(part)) if part in _PARTS else (group, column, 0)


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner and not any("." in str(k) for k in inner):
            yield from _flatten(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, key = path.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = value
    return nested


def _cell(value: Any) -> str:
    """Return a value as JSON; a string as it is where it cannot be taken for JSON."""
    if isinstance(value, str) and value and _value(value) is value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell
