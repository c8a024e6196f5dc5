"""Do maps change when what the model has learned is destroyed (Adebayo et al. 2018)?"""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.spearman import spearman
from scaat.metrics.base import PerImageMetric


class MapCorrelation(PerImageMetric):
    """Mean Spearman correlation of saliency maps with others of the same images, -1 to 1.

    With the maps of a randomised model (`scaat.functional.randomised_models`), or of one trained
    on random labels, it is Adebayo et al.'s sanity check: low is sane. A map of equal pixels has
    no value (NaN); see `scaat.functional.spearman`.
    """

    declares = (
        Declaration(
            key="randomisation_correlation",
            name="Correlation after weight randomisation",
            better="lower",
            definition="Rank correlation of the map with that of the same network with random "
            "weights: a map that stays says nothing of what was learnt.",
            category="sanity",
            short="Random weights",
            decimals=3,
        ),
        Declaration(
            key="random_label_correlation",
            name="Correlation after random labels",
            better="lower",
            definition="Rank correlation of the map with that of the same network trained on "
            "random labels.",
            category="sanity",
            short="Random labels",
            decimals=3,
        ),
    )

    def update(self, maps: Tensor, other: Tensor) -> None:
        """Compare saliency maps (N, H, W), non-negative, with others of their shape.

        Raises:
            InputError: an argument holds no saliency maps, or their shapes differ.
        """
        self.per_image.append(spearman(maps, other))
