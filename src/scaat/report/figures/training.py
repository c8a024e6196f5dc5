"""Training curves: losses, accuracies and whatever else was logged, by epoch."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from scaat.report.catalogue import method_name
from scaat.report.figures.style import (
    INK,
    WIDTH,
    Plate,
    blank,
    legend,
    marks,
    plain,
    style,
)
from scaat.report.results import Comparison

_ACROSS = 3
_VALIDATION = "val_"
_FIRST = ("loss", "accuracy", "proportion")


def training_curves(comparison: Comparison) -> list[Plate]:
    """Return a panel for each logged quantity, or nothing if no training was stored."""
    trainings = comparison.trainings
    logged = dict.fromkeys(
        key.removeprefix(_VALIDATION)
        for training in trainings
        for key, values in training.curves.items()
        if np.isfinite(values).any()
    )
    names = [name for name in _FIRST if name in logged]
    names += [name for name in logged if name not in names]
    if not names:
        return []
    methods = [training.method for training in trainings]
    styles = marks(comparison.methods)
    across = min(len(names), _ACROSS)
    down = -(-len(names) // across)
    with style():
        figure = Figure(figsize=(WIDTH, 2.9 * down + 0.5), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        blank(list(axes[len(names) :]))
        for ax, name in zip(axes, names, strict=False):
            for training in trainings:
                colour, marker, _ = styles[training.method]
                for key, line in ((name, "-"), (_VALIDATION + name, (0, (2, 1.4)))):
                    values = training.curves.get(key)
                    if values is None:
                        continue
                    known = np.isfinite(values)
                    few = known.sum() <= 25
                    ax.plot(
                        training.epoch[known],
                        values[known],
                        color=colour,
                        linestyle=line,
                        linewidth=1.5,
                        marker=marker if few else "",
                        markersize=3.5,
                    )
            ax.set_title(plain(name.replace("_", " ")))
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        kinds = [
            Line2D([], [], color=INK, linestyle="-", label="training images"),
            Line2D([], [], color=INK, linestyle=(0, (2, 1.4)), label="validation images"),
        ]
        legend(figure, methods, kinds, lined=False)
    return [
        Plate(
            "training",
            figure,
            "Training, epoch by epoch; solid: on the training images, dashed: on the validation "
            "images. Losses of different methods hold different terms, so their levels don't "
            "compare.",
            _alt(comparison),
        )
    ]


def _alt(comparison: Comparison) -> str:
    said = []
    for training in comparison.trainings:
        last = ", ".join(
            f"{key.replace('_', ' ')} {values[np.isfinite(values)][-1]:.3g}"
            for key, values in training.curves.items()
            if np.isfinite(values).any()
        )
        said.append(f"{method_name(training.method)}: {last}")
    return f"Line charts by epoch. At the end: {'; '.join(said)}."
