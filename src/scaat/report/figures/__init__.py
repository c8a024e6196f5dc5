"""The report's figures; each module holds one kind, and the lists give the report's order."""

from __future__ import annotations

from collections.abc import Callable

from scaat.report.figures.areas import insertion_deletion
from scaat.report.figures.curves import perturbation_curves
from scaat.report.figures.distribution import entropy_distribution
from scaat.report.figures.examples import ordered_samples, saliency_examples
from scaat.report.figures.forest import metric_intervals
from scaat.report.figures.randomisation import randomisation_curves
from scaat.report.figures.style import Plate
from scaat.report.figures.training import training_curves
from scaat.report.results import Comparison

CHARTS: tuple[Callable[[Comparison], list[Plate]], ...] = (
    perturbation_curves,
    entropy_distribution,
    metric_intervals,
    insertion_deletion,
    randomisation_curves,
    training_curves,
)
SHEETS: tuple[Callable[[Comparison], list[Plate]], ...] = (saliency_examples, ordered_samples)
"""Pictures made of images: files for a paper, while the page has its own gallery."""

__all__ = [
    "CHARTS",
    "SHEETS",
    "Plate",
    "entropy_distribution",
    "insertion_deletion",
    "metric_intervals",
    "ordered_samples",
    "perturbation_curves",
    "randomisation_curves",
    "saliency_examples",
    "training_curves",
]
