"""Do maps stay when the image hardly changes, and change when what was learned is destroyed?"""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.saliency import Predict
from scaat.functional.spearman import spearman
from scaat.functional.stability import Explain, max_sensitivity, relative_input_stability
from scaat.metrics.base import NumberedMetric, PerImageMetric


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


class MaxSensitivity(NumberedMetric):
    """Mean of `scaat.functional.max_sensitivity`, whose arguments it takes."""

    function = staticmethod(max_sensitivity)
    declares = (
        Declaration(
            key="max_sensitivity",
            name="Max-sensitivity",
            better="lower",
            definition="Largest relative change of the map under small random changes of the "
            "image.",
            category="stability",
            short="Max-sens.",
        ),
    )

    def update(self, explain: Explain, images: Tensor, image_ids: Tensor | None = None) -> None:
        """Measure the maps that ``explain`` gives for images (N, C, H, W) in [0, 1].

        Args:
            explain: see `scaat.functional.stability.Explain`; its positions count the images of
                this update, 0 to N - 1.
            images: floating point.
            image_ids: (N,) integers that name the images.

        Raises:
            InputError: as the function.
        """
        image_ids = self.numbered(images, image_ids)
        self.per_image.append(self.function(explain, images, image_ids=image_ids, **self.settings))


class RelativeInputStability(NumberedMetric):
    """Mean of `scaat.functional.relative_input_stability`, whose arguments it takes.

    An image whose class no perturbation kept has no value (NaN).
    """

    function = staticmethod(relative_input_stability)
    declares = (
        Declaration(
            key="relative_input_stability",
            name="Relative input stability",
            better="lower",
            definition="Largest relative change of the map over the relative change of the image "
            "that caused it.",
            category="stability",
            short="RIS",
        ),
    )

    def update(
        self, predict: Predict, explain: Explain, images: Tensor, image_ids: Tensor | None = None
    ) -> None:
        """Measure the maps that ``explain`` gives for images (N, C, H, W) in [0, 1].

        Args:
            predict: images to logits, the model that is explained.
            explain: see `scaat.functional.stability.Explain`; its positions count the images of
                this update, 0 to N - 1.
            images: floating point.
            image_ids: (N,) integers that name the images.

        Raises:
            InputError: as the function.
        """
        image_ids = self.numbered(images, image_ids)
        self.per_image.append(
            self.function(predict, explain, images, image_ids=image_ids, **self.settings)
        )
