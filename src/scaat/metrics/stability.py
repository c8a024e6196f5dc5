"""Stability of saliency maps as `torchmetrics.Metric` classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.saliency import Predict
from scaat.functional.stability import Explain, max_sensitivity, relative_input_stability
from scaat.metrics.base import PerImageMetric


class StabilityMetric(PerImageMetric):
    """A metric of how maps change with their images; ``numbers`` name these for the random ones.

    By default they count the updates' images since the last reset; hand in each image's position
    in the data set where several processes share it, so that their number changes nothing.
    """

    # `forward` must update the whole first: on a copy of its own the count would restart.
    full_state_update = True

    def __init__(
        self,
        perturbations: int = 10,
        radius: float = 0.02,
        seed: int = 0,
        batch_size: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "perturbations": perturbations,
            "radius": radius,
            "seed": seed,
            "batch_size": batch_size,
        }

    def numbered(self, images: Tensor, numbers: Tensor | None) -> Tensor:
        """Return the images' numbers, which count on from those before unless given."""
        if numbers is not None:
            return numbers
        return torch.arange(len(images)) + sum(len(part) for part in self.per_image)


class MaxSensitivity(StabilityMetric):
    """Mean of `scaat.functional.max_sensitivity`, whose arguments it takes."""

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

    def update(self, explain: Explain, images: Tensor, numbers: Tensor | None = None) -> None:
        """Measure the maps that ``explain`` gives for images (N, C, H, W) in [0, 1].

        Args:
            explain: see `scaat.functional.stability.Explain`; its positions count the images of
                this update, 0 to N - 1.
            images: floating point.
            numbers: (N,) integers that name the images.

        Raises:
            InputError: as the function.
        """
        numbers = self.numbered(images, numbers)
        self.per_image.append(max_sensitivity(explain, images, numbers=numbers, **self.settings))


class RelativeInputStability(StabilityMetric):
    """Mean of `scaat.functional.relative_input_stability`, whose arguments it takes.

    An image whose class no perturbation kept has no value (NaN).
    """

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

    def __init__(
        self,
        perturbations: int = 10,
        radius: float = 0.02,
        seed: int = 0,
        eps: float = 1e-6,
        batch_size: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(perturbations, radius, seed, batch_size, **kwargs)
        self.settings["eps"] = eps

    def update(
        self,
        predict: Predict,
        explain: Explain,
        images: Tensor,
        numbers: Tensor | None = None,
    ) -> None:
        """Measure the maps that ``explain`` gives for images (N, C, H, W) in [0, 1].

        Args:
            predict: images to logits, the model that is explained.
            explain: see `scaat.functional.stability.Explain`; its positions count the images of
                this update, 0 to N - 1.
            images: floating point.
            numbers: (N,) integers that name the images.

        Raises:
            InputError: as the function.
        """
        numbers = self.numbered(images, numbers)
        self.per_image.append(
            relative_input_stability(predict, explain, images, numbers=numbers, **self.settings)
        )
