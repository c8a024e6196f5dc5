"""Read and check results folders: the report's only source."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaat.display.labels import OPTIONAL, PERFORMANCE, SALIENCY, Estimate
from scaat.errors import InputError
from scaat.report.results import (
    Array,
    Curve,
    Randomisation,
    Results,
    Row,
    Source,
    Traces,
    Training,
    told_apart,
)


@dataclass(frozen=True)
class Entry:
    """A mapping of a JSON file, at a place such as ``rows[3].curves``."""

    path: Path
    where: str
    values: Mapping[str, Any]

    def name(self, key: str) -> str:
        """Return the full name of a key, as a complaint gives it."""
        return f"{self.where}.{key}" if self.where else key

    def fault(self, key: str, value: object, expected: str) -> InputError:
        """Return the complaint about the value of a key."""
        return InputError(f"{self.path}: {self.name(key)} is {value!r:.60}, expected {expected}")

    def has(self, key: str) -> bool:
        """Return whether an optional key is there and not null."""
        return self.values.get(key) is not None

    def get(self, key: str) -> Any:
        """Return the value of a key that must be there."""
        if key not in self.values:
            raise InputError(f"{self.path}: key '{self.name(key)}' is missing")
        return self.values[key]

    def checked(self, key: str, holds: Callable[[Any], bool], expected: str) -> Any:
        """Return the value of a key that must be there and hold."""
        value = self.get(key)
        if not holds(value):
            raise self.fault(key, value, expected)
        return value

    def entry(self, key: str) -> Entry:
        """Return a mapping inside this one."""
        value = self.checked(key, lambda value: isinstance(value, dict), "a mapping")
        return Entry(self.path, self.name(key), value)

    def entries(self, key: str) -> list[Entry]:
        """Return the mappings of a list."""
        values = self.checked(key, lambda v: isinstance(v, list), "a list of mappings")
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.fault(f"{key}[{i}]", value, "a mapping")
        return [Entry(self.path, f"{self.name(key)}[{i}]", v) for i, v in enumerate(values)]

    def text(self, key: str) -> str:
        """Return a name: a text that is not empty."""
        return str(self.checked(key, lambda v: isinstance(v, str) and v != "", "a name"))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of names."""
        values = self.checked(key, lambda value: isinstance(value, list), "a list of names")
        return tuple(map(str, values))

    def integer(self, key: str) -> int:
        """Return a whole number."""
        return int(self.checked(key, lambda value: type(value) is int, "a whole number"))

    def number(self, key: str) -> float | None:
        """Return a finite number, or None for null."""
        value = self.checked(key, lambda v: v is None or _is_number(v), "a finite number or null")
        return None if value is None else float(value)

    def numbers(self, key: str, length: int | None = None, *, gaps: bool = False) -> Array:
        """Return a list of finite numbers, one at least, as an array; null becomes NaN."""
        values = self.checked(key, lambda v: isinstance(v, list) and v != [], "a list of numbers")
        for i, value in enumerate(values):
            if not _is_number(value) and not (gaps and value is None):
                raise self.fault(f"{key}[{i}]", value, "a finite number")
        if length is not None and len(values) != length:
            raise InputError(
                f"{self.path}: {self.name(key)} has {len(values)} values, expected {length}"
            )
        return np.array([math.nan if v is None else v for v in values], dtype=np.float64)


def _is_number(value: object) -> bool:
    # A comparison, since a long integer is too large to be asked whether it is finite.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


SCHEMA = 1

FILE = "results.json"

_NAMED = 3
"""As many settings name a run; more would not fit a table."""

_OF_EACH_SEED = ("training.weights", "evaluation.seed")
"""What each seed may have of its own, so that it sets no two settings apart."""


def find_results(run: Path) -> Path:
    """Return the folder with the results of ``run``: itself, or its ``evaluation``."""
    inner = Path(run) / "evaluation"
    return inner if not (Path(run) / FILE).exists() and (inner / FILE).exists() else Path(run)


def read_results(*runs: Path) -> Results:
    """Read and check the results of one or several runs.

    Runs of one method are named by their differing settings, ``scaat (weight=1)``, or by their
    folders where more than three differ. Runs that differ in their seeds alone, and in the weights
    that each starts from, share a name.

    Args:
        runs: Folders that hold ``results.json`` and, unless they were removed, ``per_image.npz``
            and ``examples.npz``; or run folders whose results lie in ``evaluation``.

    Raises:
        InputError: A file is missing, isn't JSON, has another schema, lacks a key, or holds a
            value of the wrong kind (the sentence names the file and the key), or two rows are of
            the same data, model, method, attribution and seed under the same settings.
    """
    folders = [find_results(run) for run in runs]
    names = [(f.parent if f.name == "evaluation" else f).resolve().name for f in folders]
    labels = [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    read = _name_variants(list(map(_read, folders, labels)))
    rows = tuple(row for _, of_source in read for row in of_source)
    _refuse_repeats(rows)
    return Results(tuple(source for source, _ in read), rows)


def _read(folder: Path, label: str) -> tuple[Source, list[Row]]:
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} doesn't exist; expected a folder with results") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: the file is {content!r:.60}, expected a mapping")
    top = Entry(path, "", content)
    if top.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema is {top.get('schema')!r}, expected {SCHEMA}")
    entries = top.get("rows")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: rows is empty or no list, expected at least one row")
    source = Source(
        folder=folder,
        label=label,
        environment=top.entry("environment").values,
        classes=top.texts("classes"),
        settings=top.entry("settings").values,
        trainings=tuple(map(_training, top.entries("trainings"))) if top.has("trainings") else (),
    )
    return source, [_row(source, i, row) for i, row in enumerate(top.entries("rows"))]


def _row(source: Source, index: int, row: Entry) -> Row:
    curves = row.entry("curves")
    fraction = curves.numbers("fraction")
    traces = randomisation = None
    if row.has("insertion_deletion"):
        entry = row.entry("insertion_deletion")
        steps = entry.numbers("fraction")
        traces = Traces(steps, *(_curve(entry, k, len(steps)) for k in ("insertion", "deletion")))
    if row.has("randomisation"):
        entry = row.entry("randomisation")
        layers = entry.texts("layers")
        randomisation = Randomisation(layers, _curve(entry, "correlation", len(layers)))
    # The AUC is written for two classes only; the accuracy is null for images without labels.
    absent = {"auc", *OPTIONAL} | {key for key in ("accuracy",) if key in row.values}
    return Row(
        source=source,
        index=index,
        data=row.text("data"),
        model=row.text("model"),
        method=row.text("method"),
        attribution=row.text("attribution"),
        seed=row.integer("seed"),
        metrics={
            key: None if not row.has(key) and key in absent else _estimate(row, key)
            for key in (*PERFORMANCE, *SALIENCY, *OPTIONAL)
        },
        train_seconds=row.number("train_seconds"),
        cost_ratio=row.number("cost_ratio"),
        settings=row.entry("settings").values,
        fraction=fraction,
        lerf=_curve(curves, "lerf", len(fraction)),
        morf=_curve(curves, "morf", len(fraction)),
        traces=traces,
        randomisation=randomisation,
        lattice=_lattice(row.entry("lattice_source")) if row.has("lattice_source") else None,
    )


def _estimate(row: Entry, key: str) -> Estimate:
    entry = row.entry(key)
    unbounded = entry.values.get("unbounded", False)
    if not isinstance(unbounded, bool):
        raise entry.fault("unbounded", unbounded, "true or false")
    value = entry.number("value")
    # No image has the metric, or it is a ratio over nothing.
    if value is None and not unbounded and not (key in OPTIONAL and entry.get("n") == 0):
        raise entry.fault("value", value, "a finite number")
    low, high = entry.number("low"), entry.number("high")
    if low is not None and high is not None and low > high:
        raise entry.fault("low", low, f"at most {entry.name('high')}, {high!r}")
    return Estimate(value, low, high, entry.integer("n"), unbounded)


def _curve(curves: Entry, key: str, length: int) -> Curve:
    entry = curves.entry(key)
    value = entry.numbers("value", length)
    # A single image has no band.
    low, high = (entry.numbers(part, length, gaps=True) for part in ("low", "high"))
    return Curve(value, low, high)


def _lattice(entry: Entry) -> str:
    period, variation = entry.integer("period"), entry.number("variation")
    if not entry.has("kind"):
        return f"none, the mean saliency varies by {variation:.2f} with the position"
    layer = f"layer {entry.get('layer')!r}" if entry.get("layer") else "the model itself"
    return (
        f"period {period} pixels, made by {layer} ({entry.text('kind')}); the mean saliency varies "
        f"by {variation:.2f} with the position"
    )


def _training(entry: Entry) -> Training:
    epoch, curves = entry.numbers("epoch"), entry.entry("curves")
    return Training(
        data=entry.text("data"),
        model=entry.text("model"),
        method=entry.text("method"),
        seed=entry.integer("seed"),
        epoch=epoch,
        curves={key: curves.numbers(key, len(epoch), gaps=True) for key in curves.values},
    )


def _name_variants(read: list[tuple[Source, list[Row]]]) -> list[tuple[Source, list[Row]]]:
    """Return the runs; rows that would repeat each other are named by what differs between runs."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in (row for _, rows in read for row in rows):
        groups.setdefault((row.data, row.model, row.method), []).append(row)
    names: dict[tuple[Source, tuple[str, str, str]], str] = {}
    for group, rows in groups.items():
        settings = {row.source: told_apart(row.settings) for row in rows}
        differing = _distinguishing(rows, settings)
        alike: dict[tuple[str, ...], list[Source]] = {}
        for source, flat in settings.items():
            values = tuple(flat.get(key, "default") for key in differing)
            alike.setdefault(values, []).append(source)
        for values, sources in alike.items() if differing else ():
            pairs = zip(differing, values, strict=True)
            what = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in pairs)
            if len(differing) > _NAMED:
                what = sources[0].label + " and others" * (len(sources) > 1)
            names |= {(source, group): f"{group[2]} ({what})" for source in sources}
    if not names:
        return read

    def name(source: Source, of: Row | Training) -> str:
        return names.get((source, (of.data, of.model, of.method)), of.method)

    named = []
    for source, rows in read:
        trainings = (replace(t, method=name(source, t)) for t in source.trainings)
        renamed = replace(source, trainings=tuple(trainings))
        named.append((renamed, [replace(r, source=renamed, method=name(source, r)) for r in rows]))
    return named


def _distinguishing(rows: Sequence[Row], settings: Mapping[Source, Mapping[str, str]]) -> list[str]:
    """Return the settings that keep rows from repeating each other; none where no rows would."""

    def distinct(keys: Sequence[str]) -> bool:
        held = {(row.key, *(settings[row.source].get(key) for key in keys)) for row in rows}
        return len(held) == len(rows)

    if distinct(()):
        return []
    keys = dict.fromkeys(key for flat in settings.values() for key in flat)
    differing = [k for k in keys if len({flat.get(k) for flat in settings.values()}) > 1]
    for own in _OF_EACH_SEED:
        fewer = [key for key in differing if key != own]
        differing = fewer if distinct(fewer) else differing
    return differing


def _refuse_repeats(rows: Iterable[Row]) -> None:
    seen: dict[tuple[str, str, str, str, int], Row] = {}
    for row in rows:
        earlier = seen.setdefault(row.key, row)
        if earlier is row:
            continue
        here, there = (f"{r.source.folder / FILE}: rows[{r.index}]" for r in (row, earlier))
        if row.source is earlier.source:
            there = f"rows[{earlier.index}]"
        raise InputError(
            f"{here} repeats {there} ({', '.join(map(str, row.key))}), expected each data, "
            "model, method, attribution and seed once under the same settings"
        )
