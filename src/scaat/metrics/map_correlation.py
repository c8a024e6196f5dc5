"""Rank correlation of two models' saliency maps as a `torchmetrics.Metric`."""

from __future__ import annotations

from torch import Tensor

from scaat.functional.spearman import spearman
from scaat.metrics.per_image import PerImageMetric


class MapCorrelation(PerImageMetric):
    """Mean Spearman correlation of saliency maps with others of the same images, -1 to 1.

    With the maps of a randomised model (`scaat.functional.randomised_models`), or of one trained
    on random labels, it is Adebayo et al.'s sanity check: low is sane. A map of equal pixels has
    no value (NaN); see `scaat.functional.spearman`.
    """

    higher_is_better = False

    def update(self, maps: Tensor, other: Tensor) -> None:
        """Compare saliency maps (N, H, W), non-negative, with others of their shape.

        Raises:
            InputError: an argument holds no saliency maps, or their shapes differ.
        """
        self.per_image.append(spearman(maps, other))
