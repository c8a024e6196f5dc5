"""Insertion and deletion as a `torchmetrics.Metric`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.functional.insertion_deletion import area_under_curve, insertion_deletion
from scaat.functional.saliency import Predict
from scaat.metrics.curves import CurveMetric


class InsertionDeletion(CurveMetric):
    """Faithfulness of saliency maps: areas under the insertion and the deletion curve.

    The arguments are those of `scaat.functional.insertion_deletion`. ``insertion`` is better
    higher, ``deletion`` lower.
    """

    names = ("insertion", "deletion")

    def __init__(
        self,
        steps: int = 50,
        region_size: int = 1,
        insertion_fill: str = "blur",
        deletion_fill: str = "zero",
        repeats: int = 5,
        seed: int = 0,
        batch_size: int = 512,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "steps": steps,
            "region_size": region_size,
            "insertion_fill": insertion_fill,
            "deletion_fill": deletion_fill,
            "repeats": repeats,
            "seed": seed,
            "batch_size": batch_size,
        }

    def measure(
        self, predict: Predict, images: Tensor, maps: Tensor, numbers: Tensor
    ) -> dict[str, Tensor]:
        """Return the insertion and deletion curves of images."""
        return insertion_deletion(predict, images, maps, numbers=numbers, **self.settings)

    def values(self) -> dict[str, Tensor]:
        """Return the areas ``insertion`` and ``deletion`` of each image so far, float32 (N,)."""
        return {name: area_under_curve(curve) for name, curve in self.curves().items()}
