"""Perturbation curves: how fast the prediction falls as regions are replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.figures.style import WIDE, Plate, grid, legend, marks, style
from scaat.report.results import Comparison, Curve, Results, Row

_ORDERS = {"lerf": "Least relevant first (LeRF) ↓", "morf": "Most relevant first (MoRF) ↑"}


def perturbation_curves(results: Results, comparison: Comparison) -> list[Plate]:
    """Return LeRF and MoRF decay by perturbed share, a band for each method's 95 % interval."""
    attributions = comparison.attributions
    with style():
        figure, axes = grid(2, len(attributions), height=6.2, sharex=True, sharey="row")
        symlog = False
        for i, order in enumerate(_ORDERS):
            row_axes = axes[i * len(attributions) : (i + 1) * len(attributions)]
            for ax, attribution in zip(row_axes, attributions, strict=True):
                _panel(ax, comparison, attribution, order)
            row_axes[0].set_ylabel(f"{_ORDERS[order]}\nfall of the predicted probability")
            # The axes of a row share their scale.
            symlog |= _rescale(row_axes[0], [_curve(row, order) for row in comparison.rows])
        for ax in axes[-len(attributions) :]:
            ax.set_xlabel("share of regions replaced")
            ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for ax, attribution in zip(axes, attributions, strict=False):
            ax.set_title(attribution_name(attribution))
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
            "Perturbation curves. Top: the regions that a map calls least relevant are replaced "
            "first, so a low curve is good. Bottom: the most relevant first, so a high curve is "
            f"good. Bands: 95 % bootstrap intervals over the test images.{scale}",
            _alt(comparison),
        )
    ]


def _curve(row: Row, order: str) -> Curve:
    return row.lerf if order == "lerf" else row.morf


def _panel(ax: Axes, comparison: Comparison, attribution: str, order: str) -> None:
    for method, (colour, marker, line) in marks(comparison.methods).items():
        row = comparison.row(method, attribution)
        if row is None:
            continue
        curve = _curve(row, order)
        ax.fill_between(row.fraction, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(
            row.fraction,
            curve.value,
            color=colour,
            linestyle=line,
            linewidth=1.8,
            marker=marker,
            markersize=4,
            markevery=max(len(row.fraction) // 5, 1),
        )


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
