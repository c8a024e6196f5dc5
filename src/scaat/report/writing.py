"""Write the report's files from a results folder, each whole or not at all."""

from __future__ import annotations

import io
import re
from pathlib import Path

from matplotlib.figure import Figure

from scaat.files import write_bytes
from scaat.report.figures import FIGURES
from scaat.report.figures.style import DPI, style
from scaat.report.html import Picture, html
from scaat.report.reading import read_results
from scaat.report.results import Comparison, Results
from scaat.report.tables import csv_files, markdown_files

CSS_PIXELS_PER_INCH = 96


def write_report(folder: Path) -> Path:
    """Write tables, figures and the HTML report beside the results they show.

    Everything is computed before the first file is written, so results that can't be read leave
    an earlier report as it was.

    Args:
        folder: Holds ``results.json`` and, unless they were removed, ``per_image.npz`` and
            ``examples.npz``; receives ``tables/*.md``, ``tables/*.csv``, ``figures/*.png`` (and
            ``*.svg`` where a figure is drawn) and ``report.html``.

    Returns:
        The path of ``report.html``.

    Raises:
        InputError: The results are missing or faulty; the sentence names the file and the key.
    """
    folder = Path(folder)
    results = read_results(folder)
    plates = [
        (prefix, [plate for make in FIGURES for plate in make(results, comparison)])
        for prefix, comparison in _prefixes(results)
    ]
    files: dict[str, bytes] = {}
    pictures = []
    for prefix, made in plates:
        shown = []
        for plate in made:
            name = f"figures/{prefix}{_slug(plate.name)}"
            png = _drawn(plate.figure, "png")
            files[f"{name}.png"] = png
            if plate.vector:
                files[f"{name}.svg"] = _drawn(plate.figure, "svg")
            width, height = (
                round(inches * CSS_PIXELS_PER_INCH) for inches in plate.figure.get_size_inches()
            )
            shown.append(Picture(png, plate.caption, plate.alt, width, height))
        pictures.append(shown)
    for name, text in {**markdown_files(results), **csv_files(results)}.items():
        files[f"tables/{name}"] = text.encode()
    # Last, so that a report is never newer than the files it speaks of.
    files["report.html"] = html(results, pictures).encode()
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


def _drawn(figure: Figure, kind: str) -> bytes:
    stream = io.BytesIO()
    # No date and no version: the same results give the same bytes.
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with style():
        figure.savefig(stream, format=kind, dpi=DPI, facecolor="white", metadata=metadata)
    return stream.getvalue()
