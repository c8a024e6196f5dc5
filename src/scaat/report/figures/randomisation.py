"""Sanity check: do maps change as the model's layers are randomised?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from scaat.report.catalogue import attribution_name, method_name
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
from scaat.report.results import Comparison

_LONGEST = 16


def randomisation_curves(comparison: Comparison) -> list[Plate]:
    """Return the maps' correlation by how many layers are random, or nothing if not measured."""
    rows = [row for row in comparison.rows if row.randomisation]
    if not rows:
        return []
    attributions = tuple(dict.fromkeys(row.attribution for row in rows))
    layout = lines(len(attributions))
    with style():
        figure = Figure(figsize=(WIDTH, 3.5 * len(layout) + 0.4), layout="constrained")
        axes = figure.subplots(len(layout), len(layout[0]), squeeze=False, sharey=True)
        for line, numbers in zip(axes, layout, strict=True):
            blank(line[len(numbers) :])
            line[0].set_ylabel("rank correlation ↓")
            for ax, number in zip(line, numbers, strict=False):
                ax.set_title(plain(attribution_name(attributions[number])))
                ax.axhline(0, color="#9aa1a8", linewidth=0.7, zorder=0)
                for method, mark in marks(comparison.methods).items():
                    row = comparison.row(method, attributions[number])
                    if row is not None and row.randomisation is not None:
                        layers = row.randomisation.layers
                        band(ax, np.arange(len(layers)), row.randomisation.correlation, mark)
                        names = [plain(_short(layer)) for layer in layers]
                        ax.set_xticks(range(len(layers)), names, rotation=40, ha="right")
        legend(figure, comparison.methods)
    said = "; ".join(
        f"{method_name(row.method)}, {attribution_name(row.attribution)}: "
        f"{row.randomisation.correlation.value[-1]:.2f}"
        for row in rows
        if row.randomisation
    )
    return [
        Plate(
            "randomisation",
            figure,
            "Sanity check. Weights are randomised from the output's layer on, further layers at "
            "each step: the rank correlation of the maps with the trained model's should fall "
            "towards 0. Bands: 95 % bootstrap intervals over the test images.",
            f"Line charts of rank correlation. With all the named layers random it is: {said}.",
        )
    ]


def _short(layer: str) -> str:
    return layer if len(layer) <= _LONGEST else "…" + layer[-_LONGEST + 1 :]
