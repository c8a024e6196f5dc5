"""What a measure is: a group of metrics over the saliency maps of a test set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from scaat.attribution import Attribution
from scaat.declarations import declarations
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.metrics import PerImageMetric
from scaat.options.evaluation import EvaluationOptions
from scaat.registry import Registry
from scaat.statistics import mean_interval, ratio_interval


@dataclass(frozen=True)
class Batch:
    """Some test images with their maps.

    Attributes:
        images: float32 (B, C, H, W) in [0, 1].
        maps: (B, H, W), as the saliency method gave them.
        targets: int64 (B,), the predicted classes, which the maps explain.
        numbers: int64 (B,), the images' positions in the test set; they name the random draws.
        masks: bool (B, H, W), the objects, where the data has masks or boxes.
    """

    images: Tensor
    maps: Tensor
    targets: Tensor
    numbers: Tensor
    masks: Tensor | None

    def explain(self, attribute: Attribution, model: nn.Module) -> Tensor:
        """Return the maps (B, H, W) of these images for another model, by the same targets."""
        return attribute(model, self.images, self.targets, masks=self.masks, numbers=self.numbers)


class Measure(ABC):
    """A group of metrics; `update` sees every test image once, in batches.

    Each saliency method has instances of its own.
    """

    def __init__(self, context: EvaluationContext, options: EvaluationOptions) -> None:
        self.context = context
        self.options = options
        self.metrics: Mapping[str, PerImageMetric] = {}
        """By the keys of their values; filled by measures that need nothing else."""

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return how many predictions and maps each test image takes, for the progress."""
        return 0

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """Measure a batch."""

    def values(self) -> dict[str, Tensor]:
        """Return by name the values (n,) of each image, and curves (n, steps)."""
        return {name: metric.values() for name, metric in self.metrics.items()}

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
