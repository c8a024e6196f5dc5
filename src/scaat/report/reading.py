"""Read and check results folders: the report's only source."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from scaat.errors import InputError
from scaat.report.catalogue import OPTIONAL, PERFORMANCE, SALIENCY
from scaat.report.lookup import Entry
from scaat.report.results import Curve, Estimate, Randomisation, Results, Row, Traces
from scaat.report.source import Source, Training

SCHEMA = 1

FILE = "results.json"


def find_results(run: Path) -> Path:
    """Return the folder with the results of ``run``: itself, or its ``evaluation``."""
    inner = Path(run) / "evaluation"
    return inner if not (Path(run) / FILE).exists() and (inner / FILE).exists() else Path(run)


def read_results(*runs: Path) -> Results:
    """Read and check the results of one or several runs.

    Args:
        runs: Folders that hold ``results.json`` and, unless they were removed, ``per_image.npz``
            and ``examples.npz``; or run folders whose results lie in ``evaluation``.

    Raises:
        InputError: A file is missing, isn't JSON, has another schema, lacks a key, or holds a
            value of the wrong kind (the sentence names the file and the key), or two rows are of
            the same data, model, method, attribution and seed.
    """
    folders = [find_results(run) for run in runs]
    names = [
        (folder.parent if folder.name == "evaluation" else folder).resolve().name
        for folder in folders
    ]
    labels = [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    read = [_read(folder, label) for folder, label in zip(folders, labels, strict=True)]
    rows = tuple(row for _, of_source in read for row in of_source)
    _refuse_twins(rows)
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
    return Row(
        source=source,
        index=index,
        data=row.text("data"),
        model=row.text("model"),
        method=row.text("method"),
        attribution=row.text("attribution"),
        seed=row.integer("seed"),
        metrics={
            key: _estimate(row, key)
            # The AUC is written for two classes only.
            if row.has(key) or key not in ("auc", *OPTIONAL)
            else None
            for key in (*PERFORMANCE, *SALIENCY, *OPTIONAL)
        },
        train_seconds=row.number("train_seconds"),
        cost_ratio=row.number("cost_ratio"),
        settings=row.entry("settings").values,
        fraction=fraction,
        lerf=_curve(curves, "lerf", len(fraction)),
        morf=_curve(curves, "morf", len(fraction)),
        traces=_traces(row) if row.has("insertion_deletion") else None,
        randomisation=_randomisation(row) if row.has("randomisation") else None,
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


def _traces(row: Entry) -> Traces:
    entry = row.entry("insertion_deletion")
    fraction = entry.numbers("fraction")
    curves = (_curve(entry, key, len(fraction)) for key in ("insertion", "deletion"))
    return Traces(fraction, *curves)


def _randomisation(row: Entry) -> Randomisation:
    entry = row.entry("randomisation")
    layers = entry.texts("layers")
    return Randomisation(layers, _curve(entry, "correlation", len(layers)))


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


def _refuse_twins(rows: Iterable[Row]) -> None:
    seen: dict[tuple[str, str, str, str, int], Row] = {}
    for row in rows:
        twin = seen.setdefault(row.key, row)
        if twin is row:
            continue
        here, there = (f"{r.source.folder / FILE}: rows[{r.index}]" for r in (row, twin))
        if row.source is twin.source:
            there = f"rows[{twin.index}]"
        raise InputError(
            f"{here} repeats {there} ({', '.join(map(str, row.key))}), expected each data, "
            "model, method, attribution and seed once"
        )
