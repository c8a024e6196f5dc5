"""ROAD as a `torchmetrics.Metric`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.functional.aopc import aopc
from scaat.functional.road import road, road_curves
from scaat.functional.saliency import Predict
from scaat.metrics.curves import CurveMetric


class ROAD(CurveMetric):
    """Faithfulness of saliency maps by noisy linear imputation, both orders; higher is better.

    The arguments are those of `scaat.functional.road.road_curves`.
    """

    higher_is_better = True
    names = ("lerf", "morf")

    def __init__(
        self,
        region_size: int = 1,
        repeats: int = 1,
        seed: int = 0,
        batch_size: int = 512,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "region_size": region_size,
            "repeats": repeats,
            "seed": seed,
            "batch_size": batch_size,
        }

    def measure(
        self, predict: Predict, images: Tensor, maps: Tensor, numbers: Tensor
    ) -> dict[str, Tensor]:
        """Return the perturbation curves of images."""
        return road_curves(predict, images, maps, numbers=numbers, **self.settings)

    def values(self) -> dict[str, Tensor]:
        """Return `road` and its parts of each image so far, float32 (N,).

        ``road`` is (``road_morf`` - ``road_lerf``) / 2, and the parts are the mean decays.
        """
        curves = self.curves()
        parts = {f"road_{order}": aopc(curve) for order, curve in curves.items()}
        return {"road": road(curves), **parts}
