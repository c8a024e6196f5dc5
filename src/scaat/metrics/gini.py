"""Gini index of saliency maps as a `torchmetrics.Metric`."""

from __future__ import annotations

from torch import Tensor

from scaat.functional.gini import gini
from scaat.metrics.per_image import MapMetric


class GiniIndex(MapMetric):
    """Mean Gini index of saliency maps, 0 to 1; see `scaat.functional.gini`."""

    higher_is_better = True

    def measure(self, maps: Tensor) -> Tensor:
        """Return the Gini index (N,) of saliency maps (N, H, W)."""
        return gini(maps)
