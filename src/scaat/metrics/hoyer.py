"""Hoyer index of saliency maps as a `torchmetrics.Metric`."""

from __future__ import annotations

from torch import Tensor

from scaat.functional.hoyer import hoyer
from scaat.metrics.per_image import MapMetric


class Hoyer(MapMetric):
    """Mean Hoyer index of saliency maps, 0 to 1; see `scaat.functional.hoyer`."""

    higher_is_better = True

    def measure(self, maps: Tensor) -> Tensor:
        """Return the Hoyer index (N,) of saliency maps (N, H, W)."""
        return hoyer(maps)
