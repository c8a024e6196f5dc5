"""One look for all figures: colours and markers that stay with a method, fonts, sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from scaat.report.catalogue import method_name

DPI = 192
"""Two device pixels for each CSS pixel at the figure's own width."""
WIDTH = 10.0
"""Inches, about the width of the report's column."""

WIDE = 15.0
"""From this ratio between what an axis shows on, it is logarithmic."""

INK, MUTED, RULE = "#1d2329", "#5c6670", "#d9dcd8"

Mark = tuple[str, str, LineStyleType]
# Colour (Okabe and Ito's palette, safe for colour-blind readers), marker, line style: a method is
# told from another by any one of the three.
_KNOWN: dict[str, Mark] = {
    "standard": ("#5c6670", "o", "--"),
    "saliency-guided": ("#d55e00", "s", "-."),
    "scaat": ("#0072b2", "D", "-"),
}
_FURTHER: tuple[Mark, ...] = (
    ("#009e73", "^", (0, (5, 1, 1, 1, 1, 1))),
    ("#cc79a7", "v", (0, (1, 1))),
    ("#b38600", "P", (0, (7, 2))),
    ("#56b4e9", "X", (0, (3, 1, 1, 1))),
)


@dataclass(frozen=True)
class Plate:
    """A finished figure with its file name (no ending), caption and text alternative."""

    name: str
    figure: Figure
    caption: str
    alt: str
    vector: bool = True
    """Whether it is worth an SVG file: drawn, not made of images."""


def marks(methods: Sequence[str]) -> dict[str, Mark]:
    """Return colour, marker and line style of each method; the known ones never change."""
    further = [method for method in methods if method not in _KNOWN]
    return {
        method: _KNOWN.get(method) or _FURTHER[further.index(method) % len(_FURTHER)]
        for method in methods
    }


@contextmanager
def style() -> Iterator[None]:
    """Draw with the report's settings and give the caller's back."""
    with matplotlib.rc_context(
        {
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 9.5,
            "text.color": INK,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.linewidth": 0.7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=[INK]),
            "axes.axisbelow": True,
            "grid.color": RULE,
            "grid.linewidth": 0.6,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelsize": 8.5,
            "ytick.labelsize": 8.5,
            "legend.frameon": False,
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "svg.hashsalt": "scaat",
        }
    ):
        yield


def grid(
    rows: int,
    columns: int,
    height: float,
    *,
    sharex: bool = False,
    sharey: bool | Literal["row"] = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of the report's width and its axes, row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, list(axes.ravel())


def legend(figure: Figure, methods: Sequence[str]) -> None:
    """Put the key of the methods above the panels."""
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=line, markersize=5, linewidth=1.8)
        for colour, marker, line in marks(methods).values()
    ]
    figure.legend(
        handles,
        [method_name(method) for method in methods],
        loc="outside upper left",
        ncols=len(methods),
        handlelength=3.2,
    )
