"""The report's files: tables, figures and one HTML page, whose policy forbids it to load any."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import chain, count
from pathlib import Path
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
from scaat.display.style import FigureSpec, figure_bytes
from scaat.display.table import Table
from scaat.files import write_bytes
from scaat.report.compare import pools, verdict
from scaat.report.examples import SHEETS, Gallery, example_gallery, ordered_gallery
from scaat.report.figures import CHARTS
from scaat.report.findings import Findings, Pair, findings
from scaat.report.results import EXAMPLES, PER_IMAGE, Comparison, Results, Row, flatten
from scaat.report.tables import (
    comparison_table,
    csv_files,
    differences_table,
    further_tables,
    performance_table,
    pooled_tables,
    text_files,
    title,
)

Chart = tuple[FigureSpec, bytes]
"""A drawn figure and its SVG, on a transparent ground."""

Content = Table | Chart | Gallery


def write_report(results: Results, folder: Path) -> Path:
    """Write tables, figures and the HTML report.

    Everything is computed before the first file is written, so results that can't be read leave
    an earlier report as it was.

    Args:
        results: As `read_results` returns them.
        folder: Receives ``tables/*.md``, ``*.csv`` and ``*.tex``, ``figures/*.png`` (and
            ``*.svg`` where a figure is drawn) and ``report.html``. It may be the results' own.

    Returns:
        The path of ``report.html``.

    Raises:
        InputError: An array file is faulty; the sentence names the file and the array.
    """
    folder = Path(folder)
    files: dict[str, bytes] = {}
    charts = []
    for number, comparison in enumerate(results.comparisons, start=1):
        of_what = f"{comparison.data}-{comparison.model}-{comparison.seed}"
        alone = len(results.comparisons) == 1
        prefix = "figures/" if alone else f"figures/{number}-{_slug(of_what)}-"
        drawn: dict[str, Chart] = {}
        for spec in chain.from_iterable(make(comparison) for make in CHARTS):
            name = f"{prefix}{_slug(spec.name)}"
            svg = figure_bytes(spec.figure, "svg")
            files[f"{name}.svg"], files[f"{name}.png"] = svg, figure_bytes(spec.figure, "png")
            drawn[spec.name] = spec, svg
        charts.append(drawn)
        for spec in chain.from_iterable(make(comparison) for make in SHEETS):
            files[f"{prefix}{_slug(spec.name)}.png"] = figure_bytes(spec.figure, "png")
    tables = text_files(results) | csv_files(results)
    files |= {f"tables/{name}": text.encode() for name, text in tables.items()}
    # Last, so that a report is never newer than the files it speaks of.
    files["report.html"] = _html(results, charts).encode()
    for name, content in files.items():
        write_bytes(folder / name, content)
    return folder / "report.html"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-60:] or "figure"


def split_settings(
    rows: Sequence[Row],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """Return what all rows share as (key, value), and the rest as (key, value, of which rows)."""
    flats = [flatten(row.settings) for row in rows]
    shared: list[tuple[str, str]] = []
    differing: list[tuple[str, str, str]] = []
    for key in dict.fromkeys(key for flat in flats for key in flat):
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

# What replaces the regions, by the option's name.
_BASELINES = {
    "random": "uniform random pixels in all channels",
    "mean": "the image's mean of each channel",
    "blur": "a blurred copy of the image",
    "zero": "zeros",
    "noisy-linear": "a noisy linear interpolation of their surroundings",
}
_LOST = {
    PER_IMAGE: "the distribution of saliency entropies, the differences image by image and what "
    "they decide",
    EXAMPLES: "the example images with their maps",
}


def _html(results: Results, charts: Sequence[Mapping[str, Chart]]) -> str:
    """Return the page; ``charts`` holds those of each of ``results.comparisons``."""
    environment = Environment(
        loader=PackageLoader("scaat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "data_address": data_address,
        "enumerate": enumerate,
        "interval_text": interval_text,
        "value_text": value_text,
        # Tables and figures are numbered as they come.
        "next_table": count(1).__next__,
        "next_figure": count(1).__next__,
    }
    pooled = []
    for i, pool in enumerate(pools(results), start=1):
        first, seeds = pool.comparisons[0], ", ".join(map(str, pool.seeds))
        heading = f"{first.data}, {first.model}, seeds {seeds} together"
        pooled.append((f"pooled-{i}", heading, pooled_tables(pool)))
    sections = [
        _section(f"c{i}", results, comparison, drawn)
        for i, comparison, drawn in zip(count(1), results.comparisons, charts, strict=False)
    ]
    styles = [_template(name) for name in _STYLES]
    for section in sections:
        for _, _, contents in section["parts"]:
            styles += [content.style for content in contents if isinstance(content, Gallery)]
    style, script = "\n".join(styles), _template("gallery.js")
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
    tested, explained = (
        max(c.images(m) for c in results.comparisons) for m in ("accuracy", "entropy")
    )
    tested = max(tested, explained)  # without labels there is no accuracy
    images = f"{tested} test images" + (f", maps of {explained}" if explained != tested else "")
    methods = {row.method for row in results.rows}
    attributions = {row.attribution for row in results.rows}
    bounds = len(attributions.intersection(BOUNDS))
    maps = _plural("saliency method", len(attributions) - bounds)
    limits = f" and {_plural('bound', bounds)}" if bounds else ""
    seeds = dict.fromkeys(row.seed for row in results.rows)
    return (
        f"{_plural('training method', len(methods))}, {maps}{limits}, {images}, "
        f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    )


def _plural(noun: str, count: int) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _protocol(row: Row) -> tuple[int, str, str]:
    """Return steps, largest fraction and baseline of a row's perturbation curves."""
    measured = row.settings.get("evaluation")
    measured = measured if isinstance(measured, Mapping) else {}
    baseline = str(measured.get("aopc_baseline", "random"))
    return len(row.fraction), f"{100 * row.fraction[-1]:.0f} %", _BASELINES.get(baseline, baseline)


def _section(
    name: str, results: Results, comparison: Comparison, charts: Mapping[str, Chart]
) -> dict[str, Any]:
    summary = findings(comparison)
    main = summary.pairs[0] if summary.pairs else None
    attribution = comparison.attributions[0]
    return {
        "name": name,
        "title": title(comparison, results),
        "findings": summary,
        "attribution": attribution_name(attribution),
        "methods": (method_name(main.other), method_name(main.method)) if main else ("", ""),
        "figures": tuple(_key_figures(comparison, main, attribution)) if main else (),
        "parts": [
            (f"{name}-{heading.split()[0].lower()}", heading, present)
            for heading, contents in _contents(comparison, summary, charts, name)
            if (present := [content for content in contents if content is not None])
        ],
    }


def _contents(
    comparison: Comparison, summary: Findings, charts: Mapping[str, Chart], name: str
) -> Iterator[tuple[str, list[Content | None]]]:
    """Yield a section's headings, each with what is under it."""
    differences = differences_table(comparison) if summary.pairs else None
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


def _key_figures(
    comparison: Comparison, pair: Pair, attribution: str
) -> Iterator[tuple[Declaration, Estimate | None, Estimate | None, str]]:
    """Yield a metric, its value of the other method and of the one in question, and the verdict."""
    other, mine = (comparison.row(method, attribution) for method in (pair.other, pair.method))
    if other is None or mine is None:
        return
    for key in ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_rel"):
        decided = verdict(comparison, key, attribution, pair.method, pair.other)
        yield METRICS[key], other.metrics[key], mine.metrics[key], decided or "not compared"
