"""Measures by others, for which no method here was designed."""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.grid import grid_pointing_game
from scaat.functional.saliency import Predict
from scaat.functional.sensitivity_n import sensitivity_n
from scaat.functional.single_deletion import single_deletion
from scaat.metrics.base import NumberedMetric, PerImageMetric


class GridPointingGame(PerImageMetric):
    """Mean fraction of the saliency in the explained image's cell of a grid of images.

    The keyword arguments are those of `scaat.functional.grid_pointing_game`.
    """

    function = staticmethod(grid_pointing_game)
    declares = (
        Declaration(
            key="grid_pointing_game",
            name="Grid pointing game",
            better="higher",
            definition="Fraction of the map's sum in the explained image's cell, of a grid of "
            "2 x 2 images of different classes: 0.25 is chance.",
            category="further",
            short="GridPG",
            decimals=3,
        ),
    )

    def update(self, maps: Tensor, cells: Tensor) -> None:
        """Measure saliency maps (N, H, W) of grids, for the classes in the cells, int64 (N,).

        Raises:
            InputError: As the function.
        """
        self.per_image.append(self.function(maps, cells, **self.settings))


class SensitivityN(NumberedMetric):
    """Mean of `scaat.functional.sensitivity_n`, whose keyword arguments it takes.

    An image whose sets of pixels all have the same saliency, or logit, has no value (NaN).
    """

    function = staticmethod(sensitivity_n)
    declares = (
        Declaration(
            key="sensitivity_n",
            name="Sensitivity-n",
            better="higher",
            definition="Correlation, over random tenths of the pixels, of their saliency with the "
            "fall of the predicted class's logit without them.",
            category="further",
            short="Sens.-n",
            decimals=3,
        ),
    )

    def update(
        self,
        predict: Predict,
        images: Tensor,
        maps: Tensor,
        targets: Tensor,
        image_ids: Tensor | None = None,
    ) -> None:
        """Measure the maps (N, H, W) of images (N, C, H, W) for classes int64 (N,).

        Args:
            predict: Images to logits, the model that is explained.
            images: Floating point in [0, 1].
            maps: Non-negative, on the device of ``images``.
            targets: The classes that the maps explain.
            image_ids: (N,) integers that name the images.

        Raises:
            InputError: As the function.
        """
        image_ids = self.numbered(images, image_ids)
        self.per_image.append(
            self.function(predict, images, maps, targets, image_ids=image_ids, **self.settings)
        )


class SingleDeletion(PerImageMetric):
    """Mean of `scaat.functional.single_deletion`, whose keyword arguments it takes.

    An image whose patches all have the same saliency, or logit, has no value (NaN).
    """

    function = staticmethod(single_deletion)
    declares = (
        Declaration(
            key="single_deletion",
            name="Single deletion score",
            better="higher",
            definition="Rank correlation over 4 x 4 patches of their saliency with the fall of the "
            "predicted class's logit without each. In-domain (IDSDS) for a model fine-tuned on "
            "deletions.",
            category="further",
            short="SDS",
            decimals=3,
        ),
    )

    def update(self, predict: Predict, images: Tensor, maps: Tensor, targets: Tensor) -> None:
        """Measure maps (N, H, W) as the function does, with all that it checks."""
        self.per_image.append(self.function(predict, images, maps, targets, **self.settings))
