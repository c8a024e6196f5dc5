"""Make the leaderboard: one page of the trainings in results/, sortable without a network.

    python scripts/leaderboard.py     # writes results/leaderboard/board.html

Reads what each folder in results/ says of vanilla gradients on test images: a packed study
(`scaat.studies.pack`), a CSV of means as benchmarks/defaults.py writes it, and a CSV of measures,
as benchmarks/outside_measures.py and entries by others have it (results/leaderboard/template.csv).
results/leaderboard/README.md says which entries count; the others are marked.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scaat.declarations import Declaration
from scaat.display.labels import METRICS, RATIOS, Estimate, interval_text, method_name, value_text
from scaat.errors import InputError
from scaat.files import write_text
from scaat.report import read_results
from scaat.report.results import Row
from scaat.studies import Setting, unpack
from scaat.studies.store import is_packed

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = RESULTS / "leaderboard" / "board.html"
STYLES = ROOT / "src" / "scaat" / "report" / "templates"

UNBROKEN = "2\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}2\N{NO-BREAK SPACE}"
COST = "cost_ratio"
COLUMNS = (
    *(COST, "accuracy", "auc", "entropy", "gini", "aopc_lerf", "aopc_morf", "aopc_rel"),
    *("blocks_lerf", "blocks_morf", "blocks_rel"),
)
DECLARED = METRICS | {
    COST: Declaration(
        key=COST,
        name="Cost",
        better="lower",
        definition="Time of the training, or of a step, in units of standard training's on the "
        "same machine.",
        category="performance",
        unit="×\N{NO-BREAK SPACE}standard",
        decimals=2,
    )
}
SEEDS, IMAGES = 3, 100
"""Fewest seeds of an entry that counts, and fewest test images behind the maps of a study."""
MEANS = {"data", "saliency", "seeds", "method", "accuracy", "aopc_lerf", "cost"}
MEASURES = {"data", "model", "saliency", "seeds", "method", "measure", "value", "low", "high", "n"}
DEFAULT = "the default"
"""Of the controllers in a table of means, the one that the package has."""
DATA = {
    "cells": "Blood cells, 48 px",
    "cifar": "CIFAR-10",
    "cifar10": "CIFAR-10",
    "CIFAR-10 (JPEG)": "CIFAR-10",
    "CIFAR-10 (JPEG), 20,000 images": "CIFAR-10, 20,000 images",
    "digits": "Digits",
    "lc25000-lung": "LC25000 lung",
    "lesions": "Drawn lesions",
    "tissue": "Tissue (PatchCamelyon), 48 px",
}
"""What studies call their data, and what the page calls it."""


@dataclass
class Entry:
    """A training on one data set and network, its seeds pooled; ``measures`` are by key."""

    data: str
    network: str
    training: str
    seeds: int
    study: str
    measures: dict[str, Estimate]
    epochs: int | None = None
    chosen_on: str = "validation"

    @property
    def faults(self) -> list[str]:
        """Return which conditions of an entry that counts this one misses."""
        lacking = [k for k, e in self.measures.items() if e.bounds is None and k != COST]
        named = " of " + " and ".join(DECLARED[k].name if k in DECLARED else k for k in lacking)
        conditions = {
            f"{self.seeds} seed{'s' * (self.seeds > 1)}": self.seeds >= SEEDS,
            f"no interval{named if len(lacking) < 3 else 's'}": not lacking,
            f"chosen on {self.chosen_on}": self.chosen_on == "validation",
        }
        return [fault for fault, holds in conditions.items() if not holds]


def entries(results: Path) -> list[Entry]:
    """Return the entries of all studies: by data and network, lowest LeRF in 2 x 2 blocks first."""
    read: list[Entry] = []
    for study in sorted(results.iterdir()):
        if study.is_dir() and study != PAGE.parent:
            merged: dict[tuple[str, str, str], Entry] = {}
            for entry in read_study(study):
                known = merged.setdefault((entry.data, entry.network, entry.training), entry)
                known.measures |= entry.measures
                if entry.chosen_on != "validation":
                    known.chosen_on = entry.chosen_on
            read += merged.values()

    def rank(entry: Entry) -> tuple[Any, ...]:
        known = entry.measures.get("blocks_lerf")
        value = None if known is None else known.value
        return entry.data, entry.network, value is None, value or 0.0, entry.training, entry.study

    return sorted(read, key=rank)


def read_study(study: Path) -> Iterator[Entry]:
    """Yield the entries of a folder's files; those of the same training are merged later."""
    if is_packed(study):
        yield from packed(study)
    for path in sorted(study.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            names = set(reader.fieldnames or ())
            for row in reader if names >= MEANS or names >= MEASURES else ():
                if row["saliency"] == "gradient" and row.get("controller", DEFAULT) == DEFAULT:
                    yield Entry(
                        data_name(row["data"]),
                        row.get("model") or "small-resnet",  # benchmarks/defaults.py's
                        training_name(row["method"]),
                        int(number(path, row, "seeds") or 0),
                        study.name,
                        means(path, row) if names >= MEANS else measure(path, row),
                        chosen_on=row.get("chosen_on") or "validation",
                    )


def packed(study: Path) -> Iterator[Entry]:
    """Yield a packed study's trainings; the folders distinguish those of one name."""
    front = study / "frontier.json"  # holds the cost of a step
    front_rows = json.loads(front.read_text(encoding="utf-8"))["rows"] if front.exists() else {}
    groups: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    with TemporaryDirectory() as place:
        for folder in unpack(study, Path(place)):
            stem = re.sub(r"-seed-\d+$", "", folder.relative_to(place).parts[0])
            for row in filter(follows_protocol, read_results(folder).rows):
                of_name = groups.setdefault((row.data, row.model, row.method), {})
                of_name.setdefault(stem, []).append(row)
        for (data, model, method), of_name in groups.items():
            for stem, rows in of_name.items():
                own = f" ({stem})" if len(of_name) > 1 else ""
                setting, used = Setting(method, data, model, tuple(rows)), rows[0].settings
                known = {key: setting.estimate(key, "gradient") for key in COLUMNS[1:]}
                ratios = [row.cost_ratio for row in rows if row.cost_ratio is not None]
                if method in front_rows:
                    known[COST] = mean(front_rows[method]["time_ratio"]["median"])
                elif len(ratios) == len(rows):
                    known[COST] = mean(fmean(ratios))
                yield Entry(
                    data_name(data, used["data"].get("train_limit")),
                    model,
                    training_name(method + own),
                    len(setting.seeds),
                    study.name,
                    {key: estimate for key, estimate in known.items() if estimate is not None},
                    epochs=used["training"]["epochs"],
                )


def follows_protocol(row: Row) -> bool:
    """Return whether a row is of vanilla gradients, test images and the paper's AOPC."""
    used, entropy = row.settings["evaluation"], row.metrics["entropy"]
    return (
        row.attribution == "gradient"
        and row.source.environment.get("part", "test") == "test"
        and used["aopc_fraction"] == 0.2
        and used.get("aopc_region_size", 1) == 1
        and used.get("aopc_baseline", "random") == "random"
        and entropy is not None
        and entropy.n >= IMAGES
    )


def means(path: Path, row: Mapping[str, str]) -> dict[str, Estimate]:
    """Return the measures of a table of means, which has no intervals, with the ratios of them."""
    named = {**row, COST: row["cost"]}
    values = {k: number(path, named, k) for k in COLUMNS if named.get(k) not in (None, "", "nan")}
    for ratio, (above, below) in RATIOS.items():
        over, under = values.get(above), values.get(below)
        if over is not None and under is not None:
            values[ratio] = over / under if under > 0 else None
    return {key: mean(value) for key, value in values.items()}


def measure(path: Path, row: Mapping[str, str]) -> dict[str, Estimate]:
    """Return the one measure of a line; a missing bound is no end for a ratio, else no interval."""
    value, low, high, n = (number(path, row, key) for key in ("value", "low", "high", "n"))
    open_end = row["measure"] in RATIOS and (low is None) != (high is None)
    return {row["measure"]: Estimate(value, low, high, int(n or 0), unbounded=open_end)}


def mean(value: float | None) -> Estimate:
    """Return a value without an interval."""
    return Estimate(value, None, None, 0)


def number(path: Path, row: Mapping[str, str], key: str) -> float | None:
    """Return a cell's number, or None where it is empty."""
    try:
        value = float(row[key]) if row[key] else None
    except ValueError:
        value = math.nan
    if value is not None and not math.isfinite(value):
        raise InputError(f"{path}: {key} is {row[key]!r}, expected a number")
    return value


def data_name(data: str, limit: int | None = None) -> str:
    """Return what the page calls the data: of a place the name of its folder, never its path."""
    short = Path(data.partition(":")[2]).name or data
    name = DATA.get(short, short)
    return f"{name}, {limit:,} images" if limit and "images" not in name else name


def training_name(title: str) -> str:
    """Return the printed name of a training: ``SCAAT, FGSM`` of ``scaat, FGSM``."""
    method, comma, rest = title.partition(", ")
    return method_name(method) + comma + rest


def html(board: Sequence[Entry]) -> str:
    """Return the page."""
    others = dict.fromkeys(key for entry in board for key in entry.measures if key not in COLUMNS)
    known = [key for key in (*COLUMNS, *others) if any(key in e.measures for e in board)]
    # A measure of unknown declaration has three decimals, no unit and no direction.
    declared = {key: DECLARED.get(key, METRICS["hoyer"]) for key in known}

    def cell(key: str, estimate: Estimate | None) -> tuple[str, str, str]:
        """Return what sorts, value and interval; an undefined ratio sorts as an infinite one."""
        value = float("inf") if estimate is None or estimate.value is None else estimate.value
        by = "" if estimate is None else f"{value:.4g}".replace("inf", "Infinity")
        return by, value_text(declared[key], estimate), interval_text(declared[key], estimate)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("leaderboard.html.j2").render(
        rows=[(entry, [cell(k, entry.measures.get(k)) for k in known]) for entry in board],
        data=sorted({entry.data for entry in board}),
        columns=[
            (DECLARED[k].label.replace("2 x 2 ", UNBROKEN), DECLARED[k].better == "lower")
            if k in DECLARED
            else (k, False)
            for k in known
        ],
        definitions=[DECLARED[key] for key in known if key in DECLARED],
        seeds=SEEDS,
        images=IMAGES,
        style=Markup("\n".join((STYLES / f"{n}.css").read_text() for n in ("page", "tables"))),
    )


if __name__ == "__main__":
    write_text(PAGE, html(entries(RESULTS)))
