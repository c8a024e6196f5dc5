"""What a measure is: a group of metrics over the saliency maps of a test set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from scaat.declarations import declarations
from scaat.evaluation.context import Arrays, EvaluationContext, Samples
from scaat.metrics import CurveMetric, PerImageMetric
from scaat.options.evaluation import EvaluationOptions
from scaat.registry import Registry
from scaat.statistics import mean_interval, ratio_interval


class Measure(ABC):
    """A group of metrics; each saliency method has instances of its own."""

    passes_per_image: ClassVar[int] = 0
    """Predictions and maps that each test image takes, where no option changes their number."""

    def __init__(self, context: EvaluationContext) -> None:
        self.context = context
        self.options = context.options
        self.metrics: Mapping[str, PerImageMetric | CurveMetric] = {}
        """They hold all values, which several processes exchange. A `PerImageMetric` has the key of
        its values."""

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return how many predictions and maps each test image takes, for the progress."""
        return cls.passes_per_image

    @abstractmethod
    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Measure some images; all calls together show every test image once.

        Args:
            samples: B images of the test set.
            maps: (B, H, W), as the saliency method gave them.
            targets: int64 (B,), the predicted classes, which the maps explain.
        """

    def values(self) -> dict[str, Tensor]:
        """Return by name the values (n,) of each image, and curves (n, steps)."""
        values: dict[str, Tensor] = {}
        for key, metric in self.metrics.items():
            values |= metric.values() if isinstance(metric, CurveMetric) else {key: metric.values()}
        return values

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the entries of ``results.json`` for what `values` returned, as arrays.

        By default the mean of every value and the declared ratios of two, with intervals.
        """
        means = {
            name: mean_interval(array, seed, resamples)
            for name, array in values.items()
            if array.ndim == 1
        }
        ratios = {
            each.key: ratio_interval(
                values[each.ratio_of[0]], values[each.ratio_of[1]], seed, resamples
            )
            for each in declarations().values()
            if each.ratio_of and set(each.ratio_of) <= set(values)
        }
        return means | ratios


measures: Registry[type[Measure]] = Registry("measure")
