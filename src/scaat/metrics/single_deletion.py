"""Single deletion score as a `torchmetrics.Metric` class."""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.saliency import Predict
from scaat.functional.single_deletion import single_deletion
from scaat.metrics.base import PerImageMetric


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
        """Measure the maps (N, H, W) of images (N, C, H, W) for classes int64 (N,).

        Raises:
            InputError: As the function.
        """
        self.per_image.append(self.function(predict, images, maps, targets, **self.settings))
