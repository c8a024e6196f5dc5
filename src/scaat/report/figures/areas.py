"""Insertion and deletion: the probability as the most relevant pixels come and go."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scaat.report.catalogue import METRICS, attribution_name, method_name
from scaat.report.figures.style import (
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
from scaat.report.numbers import full_text
from scaat.report.results import Comparison


def insertion_deletion(comparison: Comparison) -> list[Plate]:
    """Return both curves by saliency method, or nothing if none were measured."""
    rows = [row for row in comparison.rows if row.traces]
    if not rows:
        return []
    attributions = tuple(dict.fromkeys(row.attribution for row in rows))
    layout = lines(len(attributions))
    columns = max(len(layout[0]), 2 if len(attributions) == 1 else 0)
    heads = {"insertion": "Insertion ↑", "deletion": "Deletion ↓"}
    with style():
        stacked = len(attributions) > 1
        count = 2 * len(layout) if stacked else 1
        figure = Figure(figsize=(WIDTH, 3.1 * count + 0.6), layout="constrained")
        axes = figure.subplots(count, columns, squeeze=False, sharey=True)
        for i, numbers in enumerate(layout):
            for j, (part, head) in enumerate(heads.items()):
                places = axes[2 * i + j] if stacked else axes[0][j:]
                for ax, number in zip(places, numbers, strict=False):
                    for method, mark in marks(comparison.methods).items():
                        row = comparison.row(method, attributions[number])
                        if row is not None and row.traces is not None:
                            band(ax, row.traces.fraction, getattr(row.traces, part), mark)
                    name = plain(attribution_name(attributions[number]))
                    ax.set_title(name if stacked else head)
                    ax.set_xlabel("share of pixels " + ("kept" if part[0] == "i" else "removed"))
                    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
                if stacked:
                    places[0].set_ylabel(f"{head}\npredicted class's probability")
                    blank(places[len(numbers) :])
        if not stacked:
            axes[0][0].set_ylabel("predicted class's probability")
        axes[0][0].set_ylim(bottom=0)
        legend(figure, comparison.methods)
    said = "; ".join(
        f"{method_name(row.method)}, {attribution_name(row.attribution)}: "
        + ", ".join(
            f"{part} {full_text(METRICS[part], row.metrics[part])}"
            for part in heads
            if row.metrics[part]
        )
        for row in rows
    )
    return [
        Plate(
            "insertion-deletion",
            figure,
            "Insertion and deletion, the most relevant pixels first: a good map restores the "
            "prediction with few pixels and destroys it with few. Bands: 95 % bootstrap intervals "
            "over the test images.",
            f"Line charts of the predicted class's probability. Areas: {said}.",
        )
    ]
