"""Perturbation curves: how fast the prediction falls as regions are replaced (Figure 2b)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.figures.style import (
    WIDE,
    WIDTH,
    Plate,
    band,
    blank,
    legend,
    lines,
    marks,
    plain,
    style,
)
from scaat.report.results import Comparison, Curve, Row

_ORDERS = {"lerf": "Least relevant first (LeRF) ↓", "morf": "Most relevant first (MoRF) ↑"}


def perturbation_curves(comparison: Comparison) -> list[Plate]:
    """Return LeRF and MoRF decay by perturbed share, a band for each method's 95 % interval."""
    with style():
        alone = len(comparison.attributions) == 1
        figure, symlog = _beside(comparison) if alone else _stacked(comparison)
        figure.align_ylabels()
        legend(figure, comparison.methods)
    scale = (
        " An axis with powers of ten is logarithmic, and linear between 0 and the first of them."
        if symlog
        else ""
    )
    return [
        Plate(
            "curves",
            figure,
            "Decay of the prediction. LeRF: the regions that a map calls least relevant are "
            "replaced first, so a low curve is good. MoRF: the most relevant first, so a high "
            f"curve is good. Bands: 95 % bootstrap intervals over the test images.{scale}",
            _alt(comparison),
        )
    ]


def _beside(comparison: Comparison) -> tuple[Figure, bool]:
    """Draw the two orders of the one saliency method beside each other."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, squeeze=False)[0]
    (attribution,) = comparison.attributions
    symlog = False
    for ax, order in zip(axes, _ORDERS, strict=True):
        _panel(ax, comparison, attribution, order)
        symlog |= _rescale(ax, [_curve(row, order) for row in comparison.rows])
        ax.set_title(_ORDERS[order])
    axes[0].set_ylabel(f"{attribution_name(attribution)}\nfall of the predicted probability")
    return figure, symlog


def _stacked(comparison: Comparison) -> tuple[Figure, bool]:
    """Draw a column for each saliency method, LeRF over MoRF; further columns go below."""
    attributions = comparison.attributions
    layout = lines(len(attributions))
    figure = Figure(figsize=(WIDTH, 6.2 * len(layout)), layout="constrained")
    axes = figure.subplots(2 * len(layout), len(layout[0]), squeeze=False, sharey="row")
    symlog = False
    for i, numbers in enumerate(layout):
        for j, order in enumerate(_ORDERS):
            line = axes[2 * i + j]
            blank(line[len(numbers) :])
            shown = [attributions[n] for n in numbers]
            for ax, attribution in zip(line, shown, strict=False):
                _panel(ax, comparison, attribution, order)
                ax.set_title(plain(attribution_name(attribution)))
            line[0].set_ylabel(f"{_ORDERS[order]}\nfall of the predicted probability")
            # The axes of a line share their scale.
            rows = [row for row in comparison.rows if row.attribution in shown]
            symlog |= _rescale(line[0], [_curve(row, order) for row in rows])
    return figure, symlog


def _curve(row: Row, order: str) -> Curve:
    return row.lerf if order == "lerf" else row.morf


def _panel(ax: Axes, comparison: Comparison, attribution: str, order: str) -> None:
    for method, mark in marks(comparison.methods).items():
        row = comparison.row(method, attribution)
        if row is not None:
            band(ax, row.fraction, _curve(row, order), mark)
    ax.set_xlabel("share of regions replaced")
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _rescale(ax: Axes, curves: Sequence[Curve]) -> bool:
    """Make the axis symmetric-logarithmic where the methods' curves differ by orders."""
    ends = np.abs([curve.value[-1] for curve in curves])
    ends = ends[ends > 0]
    if not len(ends) or ends.max() / ends.min() < WIDE:
        ax.axhline(0, color="#9aa1a8", linewidth=0.7, zorder=0)
        return False
    threshold = 10.0 ** np.floor(np.log10(ends.min()))
    ax.set_yscale("symlog", linthresh=max(threshold, 1e-6), linscale=0.6)
    return True


def _alt(comparison: Comparison) -> str:
    said = []
    for row in comparison.rows:
        said.append(
            f"{method_name(row.method)}, {attribution_name(row.attribution)}: "
            f"LeRF {row.lerf.value[-1]:.3g}, MoRF {row.morf.value[-1]:.3g}"
        )
    return (
        f"Line charts of the fall of the predicted probability. With "
        f"{comparison.rows[0].fraction[-1]:.0%} of the regions replaced it is: {'; '.join(said)}."
    )
