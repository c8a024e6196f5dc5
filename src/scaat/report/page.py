"""The report as one HTML file: its sections, and a policy that forbids it to load anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scaat.declarations import Declaration
from scaat.display.labels import (
    BOUNDS,
    METRICS,
    OPTIONAL,
    PERFORMANCE,
    RATIOS,
    SALIENCY,
    Estimate,
    attribution_name,
    interval_text,
    method_name,
    value_text,
)
from scaat.display.overlay import data_address
from scaat.display.table import Table
from scaat.report.compare import Pool, pools, verdict
from scaat.report.examples import Gallery, example_gallery, ordered_gallery
from scaat.report.findings import Findings, Pair, findings
from scaat.report.results import EXAMPLES, PER_IMAGE, Comparison, Results, Row, flatten
from scaat.report.tables import (
    comparison_table,
    differences_table,
    further_tables,
    performance_table,
    pooled_tables,
    title,
)

# What the charts are drawn in, and the same on a dark ground: as light there as dark here.
_DARK = {
    "#1d2329": "#e7e8e4",
    "#5c6670": "#a3abb1",
    "#d9dcd8": "#353c41",
    "#9aa1a8": "#6d767d",
    "#ffffff": "#14181b",
    "#d55e00": "#f0873a",
    "#0072b2": "#52aee6",
    "#009e73": "#35c79c",
    "#cc79a7": "#dd93bb",
    "#b38600": "#d8ab2c",
    "#56b4e9": "#8fd0f5",
}


@dataclass(frozen=True)
class Chart:
    """A drawn figure; ``svg`` is the file's content, on a transparent ground."""

    name: str
    svg: bytes
    caption: str
    alt: str
    width: int
    """CSS pixels."""
    height: int

    @property
    def light(self) -> str:
        """Return the picture as a data address."""
        return data_address(self.svg, "image/svg+xml")

    @property
    def dark(self) -> str:
        """Return the picture in the colours for a dark ground."""
        text = re.sub(
            "|".join(_DARK), lambda match: _DARK[match[0]], self.svg.decode(), flags=re.ASCII
        )
        return data_address(text.encode(), "image/svg+xml")


def split_settings(
    rows: Sequence[Row],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """Return what all rows share as (key, value), and the rest as (key, value, of which rows)."""
    flats = [flatten(row.settings) for row in rows]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    shared: list[tuple[str, str]] = []
    differing: list[tuple[str, str, str]] = []
    for key in keys:
        holders: dict[str, list[Row]] = {}
        for row, flat in zip(rows, flats, strict=True):
            if key in flat:
                holders.setdefault(flat[key], []).append(row)
        if [len(held) for held in holders.values()] == [len(rows)]:
            shared.append((key, next(iter(holders))))
        else:
            differing += [(key, value, _whose(held, rows)) for value, held in holders.items()]
    return shared, differing


def _whose(held: Sequence[Row], rows: Sequence[Row]) -> str:
    """Name some rows briefly: by the first field that distinguishes them from the others."""
    namers: dict[str, Callable[[Any], str]] = {
        "method": method_name,
        "attribution": attribution_name,
        "seed": lambda seed: f"seed {seed}",
        "data": str,
        "model": str,
    }
    for field, name in namers.items():
        values = dict.fromkeys(getattr(row, field) for row in held)
        if sum(getattr(row, field) in values for row in rows) == len(held):
            return ", ".join(name(value) for value in values)
    return ", ".join(
        f"{method_name(row.method)} with {attribution_name(row.attribution)} "
        f"({row.data}, {row.model}, seed {row.seed})"
        for row in held
    )


_STYLES = ("page.css", "tables.css", "gallery.css", "print.css")
_SCRIPT = "gallery.js"

# What fills the replaced regions, by the option's name.
_FILLS = {
    "random": "uniform random pixels in all channels",
    "mean": "the image's mean of each channel",
    "blur": "a blurred copy of the image",
    "zero": "zeros",
    "noisy-linear": "a noisy linear interpolation of their surroundings",
}
_LOST = {
    PER_IMAGE: "the distribution of saliency entropies and the differences image by image",
    EXAMPLES: "the example images with their maps",
}


KeyFigure = tuple[Declaration, Estimate | None, Estimate | None, str]
"""A metric, its value for the method compared with and for the one in question, the verdict."""


@dataclass(frozen=True)
class Block:
    """A numbered table, chart or gallery."""

    kind: str
    number: int
    content: Table | Chart | Gallery


@dataclass(frozen=True)
class Part:
    """Blocks under one heading."""

    name: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """One comparison."""

    name: str
    title: str
    findings: Findings
    attribution: str
    methods: tuple[str, str]
    figures: tuple[KeyFigure, ...]
    parts: tuple[Part, ...]


class _Numbers:
    """Numbers tables and figures as they come."""

    def __init__(self) -> None:
        self._next = {"table": count(1), "figure": count(1)}

    def block(self, content: Table | Chart | Gallery) -> Block:
        kind = {Table: "table", Chart: "chart", Gallery: "gallery"}[type(content)]
        return Block(kind, next(self._next["table" if kind == "table" else "figure"]), content)


def html(results: Results, charts: Sequence[Sequence[Chart]]) -> str:
    """Return the page; ``charts`` holds those of each of ``results.comparisons``."""
    environment = Environment(
        loader=PackageLoader("scaat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "enumerated": lambda values: [(str(i), v) for i, v in enumerate(values)],
        "printed": lambda estimate, metric: value_text(metric, estimate),
        "interval": lambda estimate, metric: interval_text(metric, estimate),
    }
    numbers = _Numbers()
    pooled = [_pooled(pool, i, numbers) for i, pool in enumerate(pools(results), start=1)]
    sections = [
        _section(results, comparison, i, {chart.name: chart for chart in drawn}, numbers)
        for i, (comparison, drawn) in enumerate(
            zip(results.comparisons, charts, strict=True), start=1
        )
    ]
    galleries = [
        block.content
        for section in sections
        for part in section.parts
        for block in part.blocks
        if isinstance(block.content, Gallery)
    ]
    parts = [*map(_template, _STYLES), *(gallery.style for gallery in galleries)]
    style, script = "\n".join(parts), _template(_SCRIPT)
    shared, differing = split_settings(results.rows)
    return environment.get_template("report.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        policy="; ".join(
            (
                "default-src 'none'",
                "img-src data:",
                f"style-src {_hash(style)}",
                f"script-src {_hash(script)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        pooled=pooled,
        sections=sections,
        overview=_overview(results),
        paired=not any(PER_IMAGE in source.missing for source in results.sources),
        metrics=[
            METRICS[key]
            for key in (*PERFORMANCE, *SALIENCY, *OPTIONAL)
            if any(row.metrics[key] for row in results.rows)
        ],
        protocols=list(dict.fromkeys(map(_protocol, results.rows))),
        unbounded=any(
            e.unbounded for row in results.rows for key in RATIOS if (e := row.metrics[key])
        ),
        missing=[
            (name, source.label, _LOST[name])
            for source in results.sources
            for name in source.missing
        ],
        evaluation=[(k, v) for k, v in shared if k.startswith("evaluation.")],
        shared=[(k, v) for k, v in shared if not k.startswith("evaluation.")],
        differing=differing,
        runs=[
            (
                source.label if len(results.sources) > 1 else "",
                list(flatten(source.settings).items()),
                [(key, str(value)) for key, value in source.environment.items()],
            )
            for source in results.sources
        ],
    )


def _template(name: str) -> str:
    return files("scaat.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a content security policy calls an inline style or script that it allows."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _overview(results: Results) -> str:
    """Return in one line what was compared."""
    tested, explained = (
        max(c.images(m) for c in results.comparisons) for m in ("accuracy", "entropy")
    )
    tested = max(tested, explained)  # without labels there is no accuracy
    images = f"{tested} test images" + (f", maps of {explained}" if explained != tested else "")
    methods = dict.fromkeys(row.method for row in results.rows)
    attributions = {row.attribution for row in results.rows}
    bounds = len(attributions.intersection(BOUNDS))
    maps = f"{len(attributions) - bounds} saliency method{'s' * (len(attributions) - bounds != 1)}"
    seeds = list(dict.fromkeys(row.seed for row in results.rows))
    return (
        f"{len(methods)} training method{'s' * (len(methods) > 1)}, "
        f"{maps}{f' and {bounds} bound' + 's' * (bounds > 1) if bounds else ''}, {images}, "
        f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    )


def _protocol(row: Row) -> tuple[int, str, str]:
    """Return steps, largest fraction and fill of a row's perturbation curves."""
    measured = row.settings.get("evaluation")
    measured = measured if isinstance(measured, Mapping) else {}
    fill = str(measured.get("aopc_fill", "random"))
    return len(row.fraction), f"{100 * row.fraction[-1]:.0f} %", _FILLS.get(fill, fill)


def _pooled(pool: Pool, number: int, numbers: _Numbers) -> Part:
    first = pool.comparisons[0]
    seeds = ", ".join(map(str, pool.seeds))
    return Part(
        f"pooled-{number}",
        f"{first.data}, {first.model}, seeds {seeds} together",
        tuple(map(numbers.block, pooled_tables(pool))),
    )


def _section(
    results: Results,
    comparison: Comparison,
    number: int,
    charts: Mapping[str, Chart],
    numbers: _Numbers,
) -> Section:
    summary, name = findings(comparison), f"c{number}"
    attribution, methods = comparison.attributions[0], ("", "")
    figures: tuple[KeyFigure, ...] = ()
    if summary.pairs:
        main = summary.pairs[0]
        methods = (method_name(main.other), method_name(main.method))
        figures = tuple(_key_figures(comparison, main, attribution))
    return Section(
        name=name,
        title=title(comparison, results),
        findings=summary,
        attribution=attribution_name(attribution),
        methods=methods,
        figures=figures,
        parts=tuple(
            Part(f"{name}-{heading.split()[0].lower()}", heading, tuple(map(numbers.block, blocks)))
            for heading, contents in _contents(comparison, summary, charts, name)
            if (blocks := [content for content in contents if content is not None])
        ),
    )


def _contents(
    comparison: Comparison, summary: Findings, charts: Mapping[str, Chart], name: str
) -> Iterator[tuple[str, list[Table | Chart | Gallery | None]]]:
    """Yield a section's headings, each with what is under it."""
    pairs = [(pair.method, pair.other) for pair in summary.pairs]
    differences = differences_table(comparison, pairs) if pairs else None
    further = {table.name: table for table in further_tables(comparison)}
    yield "Results", [comparison_table(comparison), performance_table(comparison)]
    yield "Maps", [example_gallery(comparison, f"{name}-maps-gallery")]
    yield "Curves and distributions", [charts.get("curves"), charts.get("entropy")]
    yield "Differences", [differences, charts.get("metrics")]
    yield (
        "Further measures",
        [
            further.get("further"),
            further.get("lattice"),
            charts.get("insertion-deletion"),
            further.get("localisation"),
            further.get("stability"),
            further.get("sanity"),
            charts.get("randomisation"),
        ],
    )
    yield "Training", [ordered_gallery(comparison, f"{name}-ordered"), charts.get("training")]


def _key_figures(comparison: Comparison, pair: Pair, attribution: str) -> Iterator[KeyFigure]:
    other, mine = (comparison.row(method, attribution) for method in (pair.other, pair.method))
    if other is None or mine is None:
        return
    for key in ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_rel"):
        decided = verdict(comparison, key, attribution, pair.method, pair.other)
        yield METRICS[key], other.metrics[key], mine.metrics[key], decided or "not measured"
