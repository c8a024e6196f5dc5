"""The report's charts, in its order; each yields one figure, or none where it wasn't measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from scaat.display.labels import (
    METRICS,
    SALIENCY,
    Estimate,
    attribution_name,
    full_text,
    method_name,
)
from scaat.display.style import (
    ACROSS,
    INK,
    RULE,
    WIDE,
    WIDTH,
    FigureSpec,
    Mark,
    legend,
    marks,
    panels,
    plain,
    style,
)
from scaat.report.results import Array, Comparison, Curve, Row, Training


def band(ax: Axes, x: Array, curve: Curve, mark: Mark) -> None:
    """Draw a mean curve in a method's colour, marker and line style, and its interval."""
    colour, marker, line = mark
    ax.fill_between(x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(
        x,
        curve.value,
        color=colour,
        linestyle=line,
        linewidth=1.8,
        marker=marker,
        markersize=4,
        markevery=max(len(x) // 5, 1),
    )


def _by_row(rows: Iterable[Row], text: Callable[[Row], str]) -> str:
    return "; ".join(
        f"{method_name(row.method)}, {attribution_name(row.attribution)}: {text(row)}"
        for row in rows
    )


PanelLine = tuple[str, list[tuple[Axes, str]]]
"""The key of a curve, and panels of it with their saliency methods."""


def _two_curves(
    comparison: Comparison,
    attributions: Sequence[str],
    heads: Mapping[str, str],
    ylabel: str,
    curve: Callable[[Row, str], tuple[Array, Curve] | None],
    *,
    shared: bool,
) -> tuple[Figure, list[PanelLine]]:
    """Return a figure for two curves by saliency method, and its lines of panels.

    The curves are beside each other for one saliency method; several have a column each. All panels
    have one vertical scale if ``shared``, else those of a line. ``curve`` returns what to draw of a
    row by a key of ``heads``.
    """
    alone = len(attributions) == 1
    across = min(len(attributions), ACROSS)
    groups = [attributions[i : i + across] for i in range(0, len(attributions), across)]
    figure = Figure(figsize=(WIDTH, 4.2 if alone else 6.2 * len(groups)), layout="constrained")
    shape = (1, 2) if alone else (2 * len(groups), across)
    sharey: bool | Literal["row"] = shared or (False if alone else "row")
    axes = iter(figure.subplots(*shape, squeeze=False, sharey=sharey).reshape(-1, across))
    lines: list[PanelLine] = []
    for group in groups:
        for key, head in heads.items():
            line = list(zip(next(axes), group, strict=False))
            for ax, attribution in line:
                ax.set_title(head if alone else plain(attribution_name(attribution)))
                ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
                for method, mark in marks(comparison.methods).items():
                    row = comparison.row(method, attribution)
                    drawn = None if row is None else curve(row, key)
                    if drawn is not None:
                        band(ax, *drawn, mark)
            said = attribution_name(group[0]) if alone else head
            if not alone or not lines:
                line[0][0].set_ylabel(f"{said}\n{ylabel}")
            lines.append((key, line))
    for ax in figure.axes:
        if not ax.get_title(loc="left"):
            ax.set_axis_off()
    legend(figure, comparison.methods)
    return figure, lines


def insertion_deletion(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield both curves by saliency method."""
    rows = [row for row in comparison.rows if row.traces]
    if not rows:
        return
    attributions = tuple(dict.fromkeys(row.attribution for row in rows))
    heads = {"insertion": "Insertion ↑", "deletion": "Deletion ↓"}

    def curve(row: Row, part: str) -> tuple[Array, Curve] | None:
        traces = row.traces
        return None if traces is None else (traces.fraction, getattr(traces, part))

    def areas(row: Row) -> str:
        known = [part for part in heads if row.metrics[part]]
        return ", ".join(f"{p} {full_text(METRICS[p], row.metrics[p])}" for p in known)

    with style():
        ylabel = "predicted class's probability"
        figure, lines = _two_curves(comparison, attributions, heads, ylabel, curve, shared=True)
        for part, line in lines:
            for ax, _ in line:
                ax.set_xlabel("fraction of pixels " + ("kept" if part[0] == "i" else "removed"))
        lines[0][1][0][0].set_ylim(bottom=0)
    yield FigureSpec(
        "insertion-deletion",
        figure,
        "Insertion and deletion, the most relevant pixels first: a good map restores the "
        "prediction with few pixels and destroys it with few. Bands: 95 % bootstrap intervals "
        "over the test images.",
        f"Line charts of the predicted class's probability. Areas: {_by_row(rows, areas)}.",
    )


def perturbation_curves(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield LeRF and MoRF decay by perturbed fraction, a band for each method's 95 % interval."""
    heads = {"lerf": "Least relevant first (LeRF) ↓", "morf": "Most relevant first (MoRF) ↑"}

    def curve(row: Row, order: str) -> tuple[Array, Curve]:
        return row.fraction, getattr(row, order)

    symlog = False
    with style():
        ylabel = "fall of the predicted probability"
        figure, lines = _two_curves(
            comparison, comparison.attributions, heads, ylabel, curve, shared=False
        )
        for order, line in lines:
            for ax, _ in line:
                ax.set_xlabel("fraction of regions replaced")
                ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            # The axes of a line share their scale.
            shown = [attribution for _, attribution in line]
            rows = [row for row in comparison.rows if row.attribution in shown]
            symlog |= _rescale(line[0][0], [curve(row, order)[1] for row in rows])
        figure.align_ylabels()
    scale = (
        " An axis with powers of ten is logarithmic, and linear between 0 and the first of them."
        if symlog
        else ""
    )
    ends = _by_row(
        comparison.rows,
        lambda row: f"LeRF {row.lerf.value[-1]:.3g}, MoRF {row.morf.value[-1]:.3g}",
    )
    yield FigureSpec(
        "curves",
        figure,
        "Decay of the prediction. LeRF: the regions that a map calls least relevant are "
        "replaced first, so a low curve is good. MoRF: the most relevant first, so a high "
        f"curve is good. Bands: 95 % bootstrap intervals over the test images.{scale}",
        "Line charts of the fall of the predicted probability. With "
        f"{comparison.rows[0].fraction[-1]:.0%} of the regions replaced it is: {ends}.",
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


def entropy_distribution(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield a histogram of saliency entropies by method."""
    values: dict[Row | None, Array] = {}
    for row in comparison.rows:
        stored = row.source.per_image(row.index, "entropy")
        if stored is not None and len(stored):
            values[row] = stored
    if not values:
        return
    everything = np.concatenate(list(values.values()))
    low, high = everything.min(), everything.max()
    margin = 0.03 * (high - low) or 0.1
    # As many bins as the images can fill.
    bins = int(np.clip(2 * np.sqrt(min(map(len, values.values()))), 8, 40))
    edges = np.linspace(low - margin, high + margin, bins + 1)
    rows = [row for row in comparison.rows if row in values]
    attributions = [a for a in comparison.attributions if any(r.attribution == a for r in rows)]
    with style():
        figure, axes = panels(len(attributions), 2.9, 0.4, sharex=True, sharey=True)
        for line in axes:
            line[0].set_ylabel("test images (%)")
        for ax, attribution in zip(axes.flat, attributions, strict=False):
            for method, (colour, _, dashes) in marks(comparison.methods).items():
                stored = values.get(comparison.row(method, attribution))
                if stored is None:
                    continue
                share = 100 * np.histogram(stored, edges)[0] / len(stored)
                ax.stairs(share, edges, fill=True, color=colour, alpha=0.2)
                ax.stairs(share, edges, color=colour, linewidth=1.3)
                ax.axvline(np.median(stored), color=colour, linestyle=dashes, linewidth=1.3)
            ax.set_title(plain(attribution_name(attribution)))
            ax.set_xlabel(f"saliency entropy ({METRICS['entropy'].unit}), ↓")
            ax.tick_params(labelbottom=True)
        axes[0][0].set_ylim(bottom=0)
        legend(figure, comparison.methods)
    medians = _by_row(rows, lambda row: f"{np.median(values[row]):.2f}")
    yield FigureSpec(
        "entropy",
        figure,
        "Saliency entropy of each test image; further left is sparser. The vertical line in a "
        "method's line style marks its median.",
        f"Histograms of saliency entropy. Medians in bits: {medians}.",
    )


def metric_intervals(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield a panel for each saliency metric: value and 95 % interval of every row."""
    attributions, methods = comparison.attributions, comparison.methods
    lines = len(attributions) * (len(methods) + 0.9)
    with style():
        height = 1.7 + 2 * max(0.16 * lines, 1.0)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = list(figure.subplots(2, 3, sharey=True).ravel())
        for ax, key in zip(axes, SALIENCY, strict=True):
            _forest_panel(ax, comparison, key)
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
    yield FigureSpec(
        "metrics",
        figure,
        "Every saliency metric with its 95 % bootstrap interval over the test images. An "
        "arrowhead marks an interval that extends beyond the axis, without an end where the "
        "table says unbounded. Axes that span orders of magnitude are logarithmic.",
        "Dot plots; the numbers are those of the table of sparsity and faithfulness. "
        + _by_row(
            comparison.rows,
            lambda row: f"AOPC ratio {full_text(METRICS['aopc_rel'], row.metrics['aopc_rel'])}",
        )
        + ".",
    )


def _place(group: int, member: float, members: int) -> float:
    return group * (members + 0.9) + member


def _forest_panel(ax: Axes, comparison: Comparison, key: str) -> None:
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
                if scale * bound != x:  # continues beyond the axis
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
    `WIDE`. It then reaches at most that factor beyond the values, since a ratio's interval may be
    far wider.
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


_LONGEST = 16


def randomisation_curves(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield the maps' correlation by how many layers are random."""
    measured = {row: row.randomisation for row in comparison.rows if row.randomisation}
    if not measured:
        return
    attributions = tuple(dict.fromkeys(row.attribution for row in measured))
    ends = _by_row(measured, lambda row: f"{measured[row].correlation.value[-1]:.2f}")
    with style():
        figure, axes = panels(len(attributions), 3.5, 0.4, sharey=True)
        for line in axes:
            line[0].set_ylabel("rank correlation ↓")
        for ax, attribution in zip(axes.flat, attributions, strict=False):
            ax.set_title(plain(attribution_name(attribution)))
            ax.axhline(0, color="#9aa1a8", linewidth=0.7, zorder=0)
            for method, mark in marks(comparison.methods).items():
                row = comparison.row(method, attribution)
                if row is not None and row.randomisation is not None:
                    layers = row.randomisation.layers
                    band(ax, np.arange(len(layers)), row.randomisation.correlation, mark)
                    names = [
                        plain(name if len(name) <= _LONGEST else "…" + name[-_LONGEST + 1 :])
                        for name in layers
                    ]
                    ax.set_xticks(range(len(layers)), names, rotation=40, ha="right")
        legend(figure, comparison.methods)

    yield FigureSpec(
        "randomisation",
        figure,
        "Sanity check. Weights are randomised from the output's layer on, further layers at "
        "each step: the rank correlation of the maps with the trained model's should fall "
        "towards 0. Bands: 95 % bootstrap intervals over the test images.",
        f"Line charts of rank correlation. With all the named layers random it is: {ends}.",
    )


_VALIDATION = "val_"
_FIRST = ("loss", "accuracy", "proportion")


def training_curves(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield a panel for each logged quantity."""
    trainings, styles = comparison.trainings, marks(comparison.methods)
    logged = dict.fromkeys(
        key.removeprefix(_VALIDATION)
        for training in trainings
        for key, values in training.curves.items()
        if np.isfinite(values).any()
    )
    names = [name for name in _FIRST if name in logged]
    names += [name for name in logged if name not in names]
    if not names:
        return
    with style():
        figure, axes = panels(len(names), 2.9, 0.5, across=3)
        for ax, name in zip(axes.flat, names, strict=False):
            for training in trainings:
                colour, marker, _ = styles[training.method]
                for key, line in ((name, "-"), (_VALIDATION + name, (0, (2, 1.4)))):
                    values = training.curves.get(key)
                    if values is None:
                        continue
                    known = np.isfinite(values)
                    ax.plot(
                        training.epoch[known],
                        values[known],
                        color=colour,
                        linestyle=line,
                        linewidth=1.5,
                        marker=marker if known.sum() <= 25 else "",
                        markersize=3.5,
                    )
            ax.set_title(plain(name.replace("_", " ")))
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        kinds = [
            Line2D([], [], color=INK, linestyle="-", label="training images"),
            Line2D([], [], color=INK, linestyle=(0, (2, 1.4)), label="validation images"),
        ]
        legend(figure, [training.method for training in trainings], kinds, lined=False)
    yield FigureSpec(
        "training",
        figure,
        "Training, epoch by epoch; solid: on the training images, dashed: on the validation "
        "images. Losses of different methods hold different terms, so their levels don't "
        "compare.",
        f"Line charts by epoch. At the end: {'; '.join(map(_ends, trainings))}.",
    )


def _ends(training: Training) -> str:
    last = ", ".join(
        f"{key.replace('_', ' ')} {values[np.isfinite(values)][-1]:.3g}"
        for key, values in training.curves.items()
        if np.isfinite(values).any()
    )
    return f"{method_name(training.method)}: {last}"


CHARTS: tuple[Callable[[Comparison], Iterator[FigureSpec]], ...] = (
    perturbation_curves,
    entropy_distribution,
    metric_intervals,
    insertion_deletion,
    randomisation_curves,
    training_curves,
)
