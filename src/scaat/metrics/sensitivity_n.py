"""Sensitivity-n as a `torchmetrics.Metric` class."""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.saliency import Predict
from scaat.functional.sensitivity_n import sensitivity_n
from scaat.metrics.base import NumberedMetric


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
