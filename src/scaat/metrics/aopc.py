"""AOPC as a `torchmetrics.Metric`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from scaat.functional.aopc import aopc, perturbation_curve
from scaat.metrics.per_image import concatenated


class AOPC(Metric):
    """Faithfulness of saliency maps: mean confidence decay, least and most relevant first.

    The arguments are those of `scaat.functional.perturbation_curve`. The curves of all images
    are kept: 8 bytes a step and image. In several processes `compute` gathers them; `values` and
    `curves` return those of this process.
    """

    is_differentiable = False
    full_state_update = False
    lerf: list[Tensor]
    morf: list[Tensor]
    seen: Tensor

    def __init__(
        self,
        steps: int = 20,
        fraction: float = 0.2,
        region_size: int = 1,
        repeats: int = 5,
        seed: int = 0,
        batch_size: int = 512,
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
        }
        self.add_state("lerf", default=[], dist_reduce_fx="cat")
        self.add_state("morf", default=[], dist_reduce_fx="cat")
        self.add_state("seen", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        predict: Callable[[Tensor], Tensor],
        images: Tensor,
        maps: Tensor,
        numbers: Tensor | None = None,
    ) -> None:
        """Measure the curves of images (N, C, H, W) with saliency maps (N, H, W).

        Args:
            predict: maps images to logits; a model belongs in eval mode here.
            images: floating point in [0, 1].
            maps: non-negative, on the device of ``images``.
            numbers: (N,) integers that name the images for the random pixels. By default they
                count the updates' images since the last reset; hand in each image's position in
                the data set where several processes share it, so that their number changes
                nothing.

        Raises:
            InputError: as `scaat.functional.perturbation_curve`.
        """
        if numbers is None:
            numbers = torch.arange(len(images)) + int(self.seen)
        curves = perturbation_curve(predict, images, maps, numbers=numbers, **self.settings)
        self.lerf.append(curves["lerf"])
        self.morf.append(curves["morf"])
        self.seen = self.seen + len(images)

    def curves(self) -> dict[str, Tensor]:
        """Return the curves of each image so far, float32 (N, steps), by order."""
        return {"lerf": concatenated(self.lerf), "morf": concatenated(self.morf)}

    def values(self) -> dict[str, Tensor]:
        """Return ``aopc_lerf`` and ``aopc_morf`` of each image so far, float32 (N,)."""
        return {f"aopc_{order}": aopc(curve) for order, curve in self.curves().items()}

    def compute(self) -> dict[str, Tensor]:
        """Return the means ``aopc_lerf``, ``aopc_morf`` and their ratio ``aopc_rel``.

        The ratio is MoRF over LeRF, of the means over all images; it is infinite or NaN where
        the LeRF mean is zero.
        """
        means = {name: values.mean() for name, values in self.values().items()}
        return {**means, "aopc_rel": means["aopc_morf"] / means["aopc_lerf"]}
