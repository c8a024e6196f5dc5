"""Dot plot of every metric with its interval."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scaat.report.catalogue import METRICS, attribution_name, method_name
from scaat.report.figures.style import INK, RULE, Plate, grid, legend, marks, style
from scaat.report.numbers import full_text
from scaat.report.results import Comparison, Estimate, Results

_SHOWN = ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel")
_WIDE = 15.0
"""From this ratio between the largest and the smallest value on, the axis is logarithmic."""


def metric_intervals(results: Results, comparison: Comparison) -> list[Plate]:
    """Return a panel for each saliency metric: value and 95 % interval of every row."""
    attributions, methods = comparison.attributions, comparison.methods
    lines = len(attributions) * (len(methods) + 0.9)
    with style():
        figure, axes = grid(2, 3, height=1.7 + 2 * max(0.16 * lines, 1.0), sharey=True)
        for ax, key in zip(axes, _SHOWN, strict=True):
            _panel(ax, comparison, key)
        ticks = [_place(i, (len(methods) - 1) / 2, len(methods)) for i in range(len(attributions))]
        for ax in axes:
            ax.set_yticks(ticks, [attribution_name(a) for a in attributions])
            ax.grid(visible=False, axis="y")
            ax.tick_params(axis="y", length=0, labelcolor=INK)
            ax.spines["left"].set_visible(False)
            for i in range(1, len(attributions)):
                ax.axhline(_place(i, -0.95, len(methods)), color=RULE, linewidth=0.8)
        axes[0].set_ylim(_place(len(attributions) - 1, len(methods), len(methods)), -1)
        legend(figure, methods)
    return [
        Plate(
            "metrics",
            figure,
            "Every saliency metric with its 95 % bootstrap interval over the test images. An "
            "arrowhead marks an interval that has no end on that side. Axes that span orders of "
            "magnitude are logarithmic.",
            "Dot plots; the numbers are those of the table of sparsity and faithfulness. "
            + "; ".join(
                f"{method_name(row.method)}, {attribution_name(row.attribution)}: "
                f"AOPC rel {full_text(METRICS['aopc_rel'], row.metrics['aopc_rel'])}"
                for row in comparison.rows
            )
            + ".",
        )
    ]


def _place(group: int, member: float, members: int) -> float:
    return group * (members + 0.9) + member


def _panel(ax: Axes, comparison: Comparison, key: str) -> None:
    metric = METRICS[key]
    placed: list[tuple[float, str, Estimate]] = []
    for i, attribution in enumerate(comparison.attributions):
        for j, method in enumerate(comparison.methods):
            row = comparison.row(method, attribution)
            estimate = row.metrics[key] if row else None
            if estimate is not None and estimate.value is not None:
                placed.append((_place(i, j, len(comparison.methods)), method, estimate))
    ax.set_title(metric.label)
    if not placed:
        return
    log = _is_wide([estimate for _, _, estimate in placed])
    scale = metric.scale
    finite = [
        scale * x
        for _, _, e in placed
        for x in (e.value, e.low, e.high)
        if x is not None and (x > 0 or not log)
    ]
    low, high = min(finite), max(finite)
    if log:
        ax.set_xscale("log")
        low, high = low / 1.6, high * 1.6
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low < 100 else (1,)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        low, high = low - margin, high + margin
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlim(low, high)
    styles = marks(comparison.methods)
    for y, method, estimate in placed:
        colour, marker, _ = styles[method]
        bounds = estimate.bounds
        if bounds is not None:
            # An end beyond the axis (open, or not positive on a logarithmic one) gets an arrow.
            left, right = (max(min(scale * b, high), low) for b in bounds)
            ax.plot([left, right], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            for end, x, arrow in ((bounds[0], left, "<"), (bounds[1], right, ">")):
                if math.isinf(end) or (log and end <= 0):
                    ax.plot(x, y, arrow, color=colour, markersize=6, clip_on=False)
        assert estimate.value is not None
        ax.plot(
            scale * estimate.value,
            y,
            marker,
            color=colour,
            markersize=6,
            markeredgecolor="white",
            markeredgewidth=0.6,
            clip_on=False,
        )


def _is_wide(estimates: list[Estimate]) -> bool:
    values = [estimate.value for estimate in estimates if estimate.value is not None]
    return min(values) > 0 and max(values) / min(values) >= _WIDE
