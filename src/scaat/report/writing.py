"""Write the report's files, each whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.figure import Figure

from scaat.display.style import figure_bytes
from scaat.files import write_bytes
from scaat.report.examples import SHEETS
from scaat.report.figures import CHARTS
from scaat.report.page import Chart, html
from scaat.report.results import Comparison, Results
from scaat.report.tables import csv_files, text_files

CSS_PIXELS_PER_INCH = 96


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
    for prefix, comparison in _prefixes(results):
        drawn = []
        for spec in [spec for make in CHARTS for spec in make(comparison)]:
            name = f"figures/{prefix}{_slug(spec.name)}"
            svg = figure_bytes(spec.figure, "svg")
            files[f"{name}.svg"], files[f"{name}.png"] = svg, figure_bytes(spec.figure, "png")
            assert isinstance(spec.figure, Figure)
            width, height = (
                round(inches * CSS_PIXELS_PER_INCH) for inches in spec.figure.get_size_inches()
            )
            drawn.append(Chart(spec.name, svg, spec.caption, spec.alt, width, height))
        charts.append(drawn)
        for spec in [spec for make in SHEETS for spec in make(comparison)]:
            files[f"figures/{prefix}{_slug(spec.name)}.png"] = figure_bytes(spec.figure, "png")
    tables = text_files(results) | csv_files(results)
    files |= {f"tables/{name}": text.encode() for name, text in tables.items()}
    # Last, so that a report is never newer than the files it speaks of.
    files["report.html"] = html(results, charts).encode()
    for name, content in files.items():
        write_bytes(folder / name, content)
    return folder / "report.html"


def _prefixes(results: Results) -> list[tuple[str, Comparison]]:
    """Return each comparison with what its figures' names begin with: nothing if it is alone."""
    comparisons = results.comparisons
    if len(comparisons) == 1:
        return [("", comparisons[0])]
    return [
        (f"{i}-{_slug(f'{c.data}-{c.model}-{c.seed}')}-", c)
        for i, c in enumerate(comparisons, start=1)
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-60:] or "figure"
