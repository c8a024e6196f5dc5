"""Sparsity: entropy, compressed size, Gini index and Hoyer's measure."""

from __future__ import annotations

from torch import Tensor

from scaat.evaluation.context import EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.metrics import CompressedSize, GiniIndex, Hoyer, MapMetric, SaliencyEntropy
from scaat.options.evaluation import EvaluationOptions


@measures.register("sparsity")
class Sparsity(Measure):
    """How much of a map is empty, by four definitions."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.metrics: dict[str, MapMetric] = {
            "entropy": SaliencyEntropy(),
            "size_kb": CompressedSize(options.size_codec, options.size_quality),
            "gini": GiniIndex(),
            "hoyer": Hoyer(),
        }

    def update(self, batch: Batch) -> None:
        """Measure the batch's maps."""
        for metric in self.metrics.values():
            metric.update(batch.maps)

    def values(self) -> dict[str, Tensor]:
        """Return ``entropy``, ``size_kb``, ``gini`` and ``hoyer``."""
        return {name: metric.values() for name, metric in self.metrics.items()}
