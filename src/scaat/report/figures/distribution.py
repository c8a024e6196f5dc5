"""Distribution of the saliency entropies of the test images (paper, Figure 2a)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from scaat.report.catalogue import METRICS, attribution_name, method_name
from scaat.report.figures.style import (
    WIDTH,
    Plate,
    blank,
    legend,
    lines,
    marks,
    plain,
    style,
)
from scaat.report.results import Comparison
from scaat.report.source import Array


def entropy_distribution(comparison: Comparison) -> list[Plate]:
    """Return a histogram of saliency entropies by method, or nothing if none were stored."""
    values: dict[tuple[str, str], Array] = {}
    for row in comparison.rows:
        stored = row.source.per_image(row.index, "entropy")
        if stored is not None and len(stored):
            values[row.method, row.attribution] = stored
    if not values:
        return []
    everything = np.concatenate(list(values.values()))
    low, high = everything.min(), everything.max()
    margin = 0.03 * (high - low) or 0.1
    # As many bins as the images can fill.
    bins = int(np.clip(2 * np.sqrt(min(map(len, values.values()))), 8, 40))
    edges = np.linspace(low - margin, high + margin, bins + 1)
    medians = {pair: float(np.median(stored)) for pair, stored in values.items()}
    attributions = [a for a in comparison.attributions if any(a == key[1] for key in values)]
    layout = lines(len(attributions))
    with style():
        figure = Figure(figsize=(WIDTH, 2.9 * len(layout) + 0.4), layout="constrained")
        axes = figure.subplots(len(layout), len(layout[0]), squeeze=False, sharex=True, sharey=True)
        for line, numbers in zip(axes, layout, strict=True):
            blank(line[len(numbers) :])
            line[0].set_ylabel("share of test images (%)")
            for ax, number in zip(line, numbers, strict=False):
                attribution = attributions[number]
                for method, (colour, _, dashes) in marks(comparison.methods).items():
                    stored = values.get((method, attribution))
                    if stored is None:
                        continue
                    share = 100 * np.histogram(stored, edges)[0] / len(stored)
                    ax.stairs(share, edges, fill=True, color=colour, alpha=0.2)
                    ax.stairs(share, edges, color=colour, linewidth=1.3)
                    median = medians[method, attribution]
                    ax.axvline(median, color=colour, linestyle=dashes, linewidth=1.3)
                ax.set_title(plain(attribution_name(attribution)))
                ax.set_xlabel(f"saliency entropy ({METRICS['entropy'].unit}), ↓")
                ax.tick_params(labelbottom=True)
        axes[0][0].set_ylim(bottom=0)
        legend(figure, comparison.methods)
    said = "; ".join(
        f"{method_name(m)}, {attribution_name(a)}: {median:.2f}"
        for (m, a), median in medians.items()
    )
    return [
        Plate(
            "entropy",
            figure,
            "Saliency entropy of each test image; further left is sparser. The vertical line in a "
            "method's line style marks its median.",
            f"Histograms of saliency entropy. Medians in bits: {said}.",
        )
    ]
