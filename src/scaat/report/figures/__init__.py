"""The report's figures; each module holds one, and `FIGURES` lists them in the report's order."""

from __future__ import annotations

from collections.abc import Callable

from scaat.report.figures.curves import perturbation_curves
from scaat.report.figures.distribution import entropy_distribution
from scaat.report.figures.examples import saliency_examples
from scaat.report.figures.forest import metric_intervals
from scaat.report.figures.style import Plate
from scaat.report.results import Comparison, Results

FIGURES: tuple[Callable[[Results, Comparison], list[Plate]], ...] = (
    saliency_examples,
    perturbation_curves,
    metric_intervals,
    entropy_distribution,
)

__all__ = [
    "FIGURES",
    "Plate",
    "entropy_distribution",
    "metric_intervals",
    "perturbation_curves",
    "saliency_examples",
]
