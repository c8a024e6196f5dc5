"""What the metrics share that watch a prediction while pixels go: two kept curves an image."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from scaat.functional.saliency import Predict
from scaat.metrics.per_image import concatenated


class CurveMetric(Metric):
    """A metric of curves, kept for each image: 4 bytes a point.

    In several processes `compute` gathers them; `values` and `curves` return those of this
    process.
    """

    is_differentiable = False
    full_state_update: bool | None = False
    names: ClassVar[tuple[str, ...]]
    """Of the curves."""
    seen: Tensor

    def __init__(self, **kwargs: Any) -> None:
        """Args: kwargs: those of `torchmetrics.Metric`."""
        super().__init__(**kwargs)
        for name in self.names:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.add_state("seen", default=torch.tensor(0), dist_reduce_fx="sum")

    @abstractmethod
    def measure(
        self, predict: Predict, images: Tensor, maps: Tensor, numbers: Tensor
    ) -> dict[str, Tensor]:
        """Return the curves (N, points) of images by name."""

    @abstractmethod
    def values(self) -> dict[str, Tensor]:
        """Return the values of each image so far, float32 (N,), by name."""

    def update(
        self,
        predict: Predict,
        images: Tensor,
        maps: Tensor,
        numbers: Tensor | None = None,
    ) -> None:
        """Measure the curves of images (N, C, H, W) with saliency maps (N, H, W).

        Args:
            predict: maps images to logits; a model belongs in eval mode here.
            images: floating point in [0, 1].
            maps: non-negative, on the device of ``images``.
            numbers: (N,) integers that name the images for the random numbers. By default they
                count the updates' images since the last reset; hand in each image's position in
                the data set where several processes share it, so that their number changes
                nothing.

        Raises:
            InputError: as the function that the metric is of.
        """
        if numbers is None:
            numbers = torch.arange(len(images)) + int(self.seen)
        for name, curve in self.measure(predict, images, maps, numbers).items():
            getattr(self, name).append(curve)
        self.seen = self.seen + len(images)

    def curves(self) -> dict[str, Tensor]:
        """Return the curves of each image so far, float32 (N, points), by name."""
        return {name: concatenated(getattr(self, name)) for name in self.names}

    def compute(self) -> dict[str, Tensor]:
        """Return the means of the values over all images."""
        return {name: values.mean() for name, values in self.values().items()}
