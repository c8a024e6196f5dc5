"""Attributions by metrics over a test set, with intervals, into one results file."""

from scaat.evaluation.evaluate import AttributionResult, Evaluation, Progress, evaluate
from scaat.evaluation.examples import ordered_samples
from scaat.evaluation.results import environment, write_results
from scaat.options.evaluation import EvaluationOptions

__all__ = [
    "AttributionResult",
    "Evaluation",
    "EvaluationOptions",
    "Progress",
    "environment",
    "evaluate",
    "ordered_samples",
    "write_results",
]
