"""Dot plot of every metric with its interval."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scaat.report.catalogue import METRICS, SALIENCY, attribution_name, method_name
from scaat.report.figures.style import INK, RULE, WIDE, WIDTH, Plate, legend, marks, plain, style
from scaat.report.numbers import full_text
from scaat.report.results import Comparison, Estimate


def metric_intervals(comparison: Comparison) -> list[Plate]:
    """Return a panel for each saliency metric: value and 95 % interval of every row."""
    attributions, methods = comparison.attributions, comparison.methods
    lines = len(attributions) * (len(methods) + 0.9)
    with style():
        height = 1.7 + 2 * max(0.16 * lines, 1.0)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = list(figure.subplots(2, 3, sharey=True).ravel())
        for ax, key in zip(axes, SALIENCY, strict=True):
            _panel(ax, comparison, key)
        figure.get_layout_engine().set(hspace=0.08)  # type: ignore[union-attr,call-arg]
        ticks = [_place(i, (len(methods) - 1) / 2, len(methods)) for i in range(len(attributions))]
        for ax in axes:
            ax.set_yticks(ticks, [plain(attribution_name(a)) for a in attributions])
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
            "arrowhead marks an interval that goes on beyond the axis, without an end where the "
            "table says unbounded. Axes that span orders of magnitude are logarithmic.",
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
    scale = metric.scale
    low, high, log = _limits([estimate for _, _, estimate in placed])
    low, high = scale * low, scale * high
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low < 100 else (1,)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlim(low, high)
    styles = marks(comparison.methods)
    for y, method, estimate in placed:
        colour, marker, _ = styles[method]
        bounds = estimate.bounds
        if bounds is not None:
            left, right = (min(max(scale * bound, low), high) for bound in bounds)
            ax.plot([left, right], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            for bound, x, arrow in ((bounds[0], left, "<"), (bounds[1], right, ">")):
                if scale * bound != x:  # goes on beyond the axis
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


def _limits(estimates: list[Estimate]) -> tuple[float, float, bool]:
    """Return the ends of the axis, and whether it is logarithmic.

    It is where all values are positive and they, or they and an upper end, differ by a factor of
    `WIDE`. It then reaches at most that factor beyond the values: an interval of a ratio whose
    denominator may vanish would leave no room for anything else.
    """
    values = [e.value for e in estimates if e.value is not None]
    bounds = [b for e in estimates for b in e.bounds or () if math.isfinite(b)]
    low, high = min([*values, *bounds]), max([*values, *bounds])
    if min(values) > 0 and max(max(values) / min(values), high / max(values)) >= WIDE:
        positive = [b for b in bounds if b > 0] + values
        low = max(min(positive), min(values) / WIDE)
        return low / 1.4, min(high, max(values) * WIDE) * 1.4, True
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin, False
