"""AOPC as a `torchmetrics.Metric`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.saliency import Predict
from scaat.metrics.curves import CurveMetric


class AOPC(CurveMetric):
    """Faithfulness of saliency maps: mean confidence decay, least and most relevant first.

    The arguments are those of `scaat.functional.perturbation_curve`.
    """

    names = ("lerf", "morf")

    def __init__(
        self,
        steps: int = 20,
        fraction: float = 0.2,
        region_size: int = 1,
        repeats: int = 5,
        seed: int = 0,
        batch_size: int = 512,
        fill: str = "random",
        first_repeat: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "steps": steps,
            "fraction": fraction,
            "region_size": region_size,
            "repeats": repeats,
            "seed": seed,
            "batch_size": batch_size,
            "fill": fill,
            "first_repeat": first_repeat,
        }

    def measure(
        self, predict: Predict, images: Tensor, maps: Tensor, numbers: Tensor
    ) -> dict[str, Tensor]:
        """Return the perturbation curves of images."""
        return perturbation_curve(predict, images, maps, numbers=numbers, **self.settings)

    def values(self) -> dict[str, Tensor]:
        """Return ``aopc_lerf`` and ``aopc_morf`` of each image so far, float32 (N,)."""
        return {f"aopc_{order}": aopc(curve) for order, curve in self.curves().items()}

    def compute(self) -> dict[str, Tensor]:
        """Return the means ``aopc_lerf``, ``aopc_morf`` and their ratio ``aopc_rel``.

        The ratio is MoRF over LeRF, of the means over all images; it is infinite or NaN where
        the LeRF mean is zero.
        """
        means = super().compute()
        return {**means, "aopc_rel": means["aopc_morf"] / means["aopc_lerf"]}
