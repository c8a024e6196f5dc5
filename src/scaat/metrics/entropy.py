"""Saliency entropy as a `torchmetrics.Metric`."""

from __future__ import annotations

from torch import Tensor

from scaat.functional.entropy import entropy
from scaat.metrics.per_image import MapMetric


class SaliencyEntropy(MapMetric):
    """Mean entropy of saliency maps in bits, 0 to 8; see `scaat.functional.entropy`."""

    higher_is_better = False

    def measure(self, maps: Tensor) -> Tensor:
        """Return the entropy (N,) of saliency maps (N, H, W)."""
        return entropy(maps)
