"""Read and check ``results.json``: the report's only source, together with the arrays beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scaat.errors import InputError
from scaat.report.catalogue import PERFORMANCE, SALIENCY
from scaat.report.results import Array, Curve, Estimate, Results, Row

SCHEMA = 1


def read_results(folder: Path) -> Results:
    """Read and check the results in ``folder``.

    Args:
        folder: Holds ``results.json`` and, unless they were removed, ``per_image.npz`` and
            ``examples.npz``.

    Raises:
        InputError: The file is missing, isn't JSON, has another schema, lacks a key, or holds a
            value of the wrong kind; the sentence names the file and the key.
    """
    path = Path(folder) / "results.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} doesn't exist; expected a folder with results") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} can't be read as JSON: {error}") from error
    source = _Source(path)
    top = source.mapping(content, "the file")
    schema = source.get(top, "schema", "")
    if schema != SCHEMA:
        raise InputError(f"{path}: schema is {schema!r}, expected {SCHEMA}")
    rows = source.get(top, "rows", "")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: rows is empty or no list, expected at least one row")
    parsed = tuple(_row(source, index, row) for index, row in enumerate(rows))
    _refuse_twins(path, parsed)
    classes = source.get(top, "classes", "")
    if not isinstance(classes, list):
        raise InputError(f"{path}: classes is {classes!r:.60}, expected a list of names")
    return Results(
        folder=Path(folder),
        environment=source.mapping(source.get(top, "environment", ""), "environment"),
        rows=parsed,
        classes=tuple(str(name) for name in classes),
        settings=source.mapping(source.get(top, "settings", ""), "settings"),
        missing=tuple(
            name
            for name in ("per_image.npz", "examples.npz")
            if not (Path(folder) / name).is_file()
        ),
    )


class _Source:
    """Typed look-ups that name the file and the key in every complaint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, where: str, found: object, expected: str) -> InputError:
        return InputError(f"{self.path}: {where} is {found!r:.60}, expected {expected}")

    def get(self, mapping: Mapping[str, Any], key: str, where: str) -> Any:
        name = f"{where}.{key}" if where else key
        if key not in mapping:
            raise InputError(f"{self.path}: key '{name}' is missing")
        return mapping[key]

    def mapping(self, value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fault(where, value, "a mapping")
        return value

    def text(self, mapping: Mapping[str, Any], key: str, where: str) -> str:
        value = self.get(mapping, key, where)
        if not isinstance(value, str) or not value:
            raise self.fault(f"{where}.{key}", value, "a name")
        return value

    def integer(self, mapping: Mapping[str, Any], key: str, where: str) -> int:
        value = self.get(mapping, key, where)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(f"{where}.{key}", value, "a whole number")
        return value

    def number(self, value: object, where: str) -> float:
        number = self.optional(value, where)
        if number is None:
            raise self.fault(where, value, "a finite number")
        return number

    def optional(self, value: object, where: str) -> float | None:
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):  # type: ignore[arg-type]
            raise self.fault(where, value, "a finite number or null")
        return float(value)  # type: ignore[arg-type]


def _row(source: _Source, index: int, value: object) -> Row:
    where = f"rows[{index}]"
    row = source.mapping(value, where)
    curves = source.mapping(source.get(row, "curves", where), f"{where}.curves")
    fraction = _numbers(source, curves, "fraction", f"{where}.curves")
    return Row(
        index=index,
        data=source.text(row, "data", where),
        model=source.text(row, "model", where),
        method=source.text(row, "method", where),
        attribution=source.text(row, "attribution", where),
        seed=source.integer(row, "seed", where),
        metrics={key: _estimate(source, row, key, where) for key in (*PERFORMANCE, *SALIENCY)},
        train_seconds=source.optional(
            source.get(row, "train_seconds", where), f"{where}.train_seconds"
        ),
        cost_ratio=source.optional(source.get(row, "cost_ratio", where), f"{where}.cost_ratio"),
        settings=source.mapping(source.get(row, "settings", where), f"{where}.settings"),
        fraction=fraction,
        lerf=_curve(source, curves, "lerf", f"{where}.curves", len(fraction)),
        morf=_curve(source, curves, "morf", f"{where}.curves", len(fraction)),
    )


def _estimate(source: _Source, row: Mapping[str, Any], key: str, where: str) -> Estimate | None:
    if key == "auc" and row.get(key) is None:  # written for two classes only
        return None
    where = f"{where}.{key}"
    entry = source.mapping(source.get(row, key, where.rpartition(".")[0]), where)
    unbounded = entry.get("unbounded", False)
    if not isinstance(unbounded, bool):
        raise source.fault(f"{where}.unbounded", unbounded, "true or false")
    value = source.optional(source.get(entry, "value", where), f"{where}.value")
    if value is None and not unbounded:
        raise source.fault(f"{where}.value", value, "a finite number")
    low = source.optional(source.get(entry, "low", where), f"{where}.low")
    high = source.optional(source.get(entry, "high", where), f"{where}.high")
    if low is not None and high is not None and low > high:
        raise source.fault(f"{where}.low", low, f"at most {where}.high, {high!r}")
    return Estimate(value, low, high, source.integer(entry, "n", where), unbounded)


def _curve(source: _Source, curves: Mapping[str, Any], key: str, where: str, length: int) -> Curve:
    entry = source.mapping(source.get(curves, key, where), f"{where}.{key}")
    parts = {
        part: _numbers(source, entry, part, f"{where}.{key}") for part in ("value", "low", "high")
    }
    for part, values in parts.items():
        if len(values) != length:
            raise InputError(
                f"{source.path}: {where}.{key}.{part} has {len(values)} values, expected {length} "
                "as in fraction"
            )
    return Curve(**parts)


def _numbers(source: _Source, entry: Mapping[str, Any], key: str, where: str) -> Array:
    values = source.get(entry, key, where)
    if not isinstance(values, list) or not values:
        raise source.fault(f"{where}.{key}", values, "a list of numbers")
    return np.array([source.number(v, f"{where}.{key}[{i}]") for i, v in enumerate(values)])


def _refuse_twins(path: Path, rows: tuple[Row, ...]) -> None:
    seen: dict[tuple[str, str, str, str, int], int] = {}
    for row in rows:
        key = (row.data, row.model, row.method, row.attribution, row.seed)
        if key in seen:
            raise InputError(
                f"{path}: rows[{row.index}] repeats rows[{seen[key]}] ({', '.join(map(str, key))}),"
                " expected each data, model, method, attribution and seed once"
            )
        seen[key] = row.index
