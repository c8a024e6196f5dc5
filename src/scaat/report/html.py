"""The report as one HTML file that loads nothing: figures inlined, styles inlined, no script."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from scaat.report.catalogue import (
    METRICS,
    PERFORMANCE,
    SALIENCY,
    attribution_name,
    method_name,
)
from scaat.report.findings import Findings, Pair, findings, verdict, verdict_table
from scaat.report.numbers import interval_text, value_text
from scaat.report.results import Comparison, Results, Row
from scaat.report.tables import Table, comparison_table, performance_table, title


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it; ``png`` is the file's content."""

    png: bytes
    caption: str
    alt: str
    width: int
    """CSS pixels."""
    height: int

    @property
    def source(self) -> str:
        """Return the picture as a data address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class _Figure:
    """One metric, from the method compared with to the method in question."""

    name: str
    better: str
    before: str
    before_interval: str
    after: str
    after_interval: str
    verdict: str


@dataclass(frozen=True)
class _Section:
    title: str
    findings: Findings
    attribution: str
    methods: tuple[str, str]
    figures: tuple[_Figure, ...]
    tables: tuple[Table, ...]
    pictures: Sequence[Picture]


def html(results: Results, pictures: Sequence[Sequence[Picture]]) -> str:
    """Return the page; ``pictures`` holds the figures of each of ``results.comparisons``."""
    environment = Environment(
        loader=PackageLoader("scaat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    comparisons = results.comparisons
    fraction = results.rows[0].fraction
    shared, differing = split_settings(results.rows)
    return environment.get_template("report.html.j2").render(
        sections=[
            _section(results, comparison, shown)
            for comparison, shown in zip(comparisons, pictures, strict=True)
        ],
        overview=_overview(results),
        metrics=[
            METRICS[key]
            for key in (*PERFORMANCE, *SALIENCY)
            if any(row.metrics[key] for row in results.rows)
        ],
        steps=len(fraction),
        share=f"{100 * fraction[-1]:.0f} %",
        unbounded=any(e.unbounded for row in results.rows if (e := row.metrics["aopc_rel"])),
        missing=results.missing,
        evaluation=[(k, v) for k, v in shared if k.startswith("evaluation.")],
        shared=[(k, v) for k, v in shared if not k.startswith("evaluation.")],
        differing=differing,
        configuration=list(flatten(results.settings).items()),
        environment=[(key, str(value)) for key, value in results.environment.items()],
    )


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as ``{"a.b": text}``, in their order."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat


def split_settings(
    rows: Sequence[Row],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """Return what all rows share as (key, value), and the rest as (key, value, of which rows)."""
    flats = [flatten(row.settings) for row in rows]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    shared, differing = [], []
    for key in keys:
        holders: dict[str, list[Row]] = {}
        for row, flat in zip(rows, flats, strict=True):
            if key in flat:
                holders.setdefault(flat[key], []).append(row)
        if [len(held) for held in holders.values()] == [len(rows)]:
            shared.append((key, *holders))
        else:
            differing += [(key, value, _whose(held, rows)) for value, held in holders.items()]
    return shared, differing  # type: ignore[return-value]


def _whose(held: Sequence[Row], rows: Sequence[Row]) -> str:
    """Name some rows briefly: by training or saliency method where these tell them apart."""
    for field, name in (("method", method_name), ("attribution", attribution_name)):
        values = dict.fromkeys(getattr(row, field) for row in held)
        if sum(getattr(row, field) in values for row in rows) == len(held):
            return ", ".join(name(value) for value in values)
    return ", ".join(
        f"{method_name(row.method)} with {attribution_name(row.attribution)} "
        f"({row.data}, {row.model}, seed {row.seed})"
        for row in held
    )


def _overview(results: Results) -> str:
    """Return in one line what was compared."""
    tested, explained = (
        max(c.images(m) for c in results.comparisons) for m in ("accuracy", "entropy")
    )
    images = f"{tested} test images" + (f", maps of {explained}" if explained != tested else "")
    methods = dict.fromkeys(row.method for row in results.rows)
    attributions = dict.fromkeys(row.attribution for row in results.rows)
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(row.seed for row in results.rows))
    return (
        f"{len(methods)} training method{'s' * (len(methods) > 1)}, "
        f"{len(attributions)} saliency method{'s' * (len(attributions) > 1)}, "
        f"{images}, training seed {seeds}"
    )


def _section(results: Results, comparison: Comparison, pictures: Sequence[Picture]) -> _Section:
    found = findings(comparison)
    tables = [comparison_table(comparison), performance_table(comparison)]
    if found.pairs:
        tables.append(verdict_table(comparison, found.pairs))
    figures: list[_Figure] = []
    attribution, methods = comparison.attributions[0], ("", "")
    if found.pairs:
        main = found.pairs[0]
        methods = (method_name(main.other), method_name(main.method))
        figures = _key_figures(comparison, main, attribution)
    return _Section(
        title=title(comparison, results),
        findings=found,
        attribution=attribution_name(attribution),
        methods=methods,
        figures=tuple(figures),
        tables=tuple(tables),
        pictures=pictures,
    )


def _key_figures(comparison: Comparison, pair: Pair, attribution: str) -> list[_Figure]:
    rows = [comparison.row(method, attribution) for method in (pair.other, pair.method)]
    if rows[0] is None or rows[1] is None:
        return []
    figures = []
    for key in ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_rel"):
        metric, before, after = METRICS[key], rows[0].metrics[key], rows[1].metrics[key]
        figures.append(
            _Figure(
                name=metric.name,
                better=f"{metric.unit + ', ' if metric.unit else ''}{metric.better} is better",
                before=value_text(metric, before),
                before_interval=interval_text(metric, before),
                after=value_text(metric, after),
                after_interval=interval_text(metric, after),
                verdict=verdict(key, after, before) or "not measured",
            )
        )
    return figures
