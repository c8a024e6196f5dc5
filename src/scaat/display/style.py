"""One look for all figures: colours and markers that stay with a method, fonts, sizes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType
from numpy.typing import NDArray
from PIL.Image import Image

from scaat.display.labels import method_name

DPI = 192
"""Two device pixels for each CSS pixel at the figure's own width."""
WIDTH = 10.0
"""Inches, about the width of the report's column."""

WIDE = 15.0
"""From this ratio between what an axis shows on, it is logarithmic."""

ACROSS = 4
"""Panels beside each other; further ones go below."""

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
    ("#8f2d8f", "p", (0, (2, 2, 6, 2))),
)


@dataclass(frozen=True)
class FigureSpec:
    """A finished figure with its file name (no ending), caption and text alternative."""

    name: str
    figure: Figure | Image
    """Drawn, or a sheet of images."""
    caption: str
    alt: str


def marks(methods: Sequence[str]) -> dict[str, Mark]:
    """Return colour, marker and line style of each method; the known ones never change."""
    further = [method for method in methods if method not in _KNOWN]
    return {
        method: _KNOWN.get(method) or _FURTHER[further.index(method) % len(_FURTHER)]
        for method in methods
    }


style = partial(
    matplotlib.rc_context,
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
    },
)
"""A context that draws with the report's settings and gives the caller's back."""


def panels(
    count: int,
    height: float,
    extra: float,
    *,
    across: int = ACROSS,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and its axes (lines, columns); those beyond ``count`` are left empty.

    A line is ``height`` inches high, with ``extra`` inches above the first.
    """
    across = min(count, across)
    down = -(-count // across)
    figure = Figure(figsize=(WIDTH, height * down + extra), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=sharex, sharey=sharey)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return figure, axes


def plain(text: str) -> str:
    """Return a name of the user's as text: matplotlib would read formulas into it."""
    return " ".join(text.split()).replace("$", r"\$")


def legend(
    figure: Figure, methods: Sequence[str], further: Sequence[Line2D] = (), *, lined: bool = True
) -> None:
    """Put the key of the methods, and of ``further`` labelled lines, above the panels.

    If ``lined``, the line style, too, identifies the method.
    """
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            linestyle=line if lined else "-",
            markersize=5,
            linewidth=1.8,
        )
        for colour, marker, line in marks(methods).values()
    ]
    names = [plain(method_name(method)) for method in methods]
    figure.legend(
        [*handles, *further],
        [*names, *(str(line.get_label()) for line in further)],
        loc="outside upper left",
        ncols=min(len(handles) + len(further), 5),
        handlelength=3.2,
    )


def figure_bytes(figure: Figure | Image, kind: str) -> bytes:
    """Return a figure as a file of a kind, ``"png"`` or ``"svg"``, the same bytes each time."""
    stream = io.BytesIO()
    if isinstance(figure, Image):
        figure.save(stream, kind)
        return stream.getvalue()
    # No date and no version: the same results give the same bytes.
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with style():
        figure.savefig(
            stream,
            format=kind,
            # A drawing takes the ground of the page that holds it, light or dark.
            **({"facecolor": "white"} if kind == "png" else {"transparent": True}),
            metadata=metadata,
        )
    return stream.getvalue()
