"""What all metrics of saliency maps share: one kept value for each image."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from scaat.errors import InputError


class PerImageMetric(Metric):
    """A metric with one value for each image; `compute` returns their mean.

    The values are kept, for intervals and distributions: 4 bytes an image. In several processes
    `compute` gathers them; `values` returns those of this process. A value is NaN where the
    measure is not defined for an image (its class says when): it keeps its place in `values`, so
    that they line up with the images, and `compute` leaves it out.
    """

    is_differentiable = False
    full_state_update: bool | None = False
    per_image: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        """Args: kwargs: those of `torchmetrics.Metric`."""
        super().__init__(**kwargs)
        self.add_state("per_image", default=[], dist_reduce_fx="cat")

    def values(self) -> Tensor:
        """Return the value of each image so far, float32 (N,), in the order of the updates."""
        return concatenated(self.per_image)

    def compute(self) -> Tensor:
        """Return the mean over all images with a value, a float32 scalar; NaN without any."""
        return self.values().nanmean()


class MapMetric(PerImageMetric):
    """A metric of the saliency maps alone."""

    def measure(self, maps: Tensor) -> Tensor:
        """Return the values (N,) of saliency maps (N, H, W)."""
        raise NotImplementedError

    def update(self, maps: Tensor) -> None:
        """Measure saliency maps (N, H, W), floating point, non-negative.

        Raises:
            InputError: ``maps`` have another shape or type, or a negative or non-finite value.
        """
        self.per_image.append(self.measure(maps))


def concatenated(state: list[Tensor] | Tensor) -> Tensor:
    """Return a list state as one tensor; torchmetrics itself joins it once it is gathered."""
    if isinstance(state, list) and not state:
        raise InputError("the metric has seen no saliency map yet, expected at least one")
    values: Tensor = dim_zero_cat(state)
    return values
