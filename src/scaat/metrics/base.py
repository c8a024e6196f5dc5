"""What the metrics share: values kept for each image, and what the numbers declare."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from scaat.declarations import Declaration
from scaat.errors import InputError
from scaat.functional.saliency import Predict


class SaliencyMetric(Metric):
    """A `torchmetrics.Metric` whose class declares the numbers that it gives.

    ``higher_is_better`` follows from the declarations where they agree.
    """

    is_differentiable = False
    full_state_update: bool | None = False
    declares: ClassVar[tuple[Declaration, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take ``higher_is_better`` from the class's own declarations."""
        super().__init_subclass__(**kwargs)
        directions = {declaration.higher_is_better for declaration in vars(cls).get("declares", ())}
        if len(directions) == 1:
            cls.higher_is_better = directions.pop()


class PerImageMetric(SaliencyMetric):
    """A metric with one value for each image; `compute` returns their mean.

    The values are kept, for intervals and distributions: 4 bytes an image. In several processes
    `compute` gathers them; `values` returns those of this process. A value is NaN where the
    metric is not defined for an image (its class says when): it keeps its place in `values`, so
    that they line up with the images, and `compute` leaves it out.
    """

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
    """A metric of the saliency maps alone; the evaluation measures each one that has a key."""

    @abstractmethod
    def measure(self, maps: Tensor) -> Tensor:
        """Return the values (N,) of saliency maps (N, H, W)."""

    def update(self, maps: Tensor) -> None:
        """Measure saliency maps (N, H, W), floating point, non-negative.

        Raises:
            InputError: ``maps`` have another shape or type, or a negative or non-finite value.
        """
        self.per_image.append(self.measure(maps))


class CurveMetric(SaliencyMetric):
    """A metric of the prediction's curves as pixels are replaced: 4 bytes a point and image.

    In several processes `compute` gathers the curves; `values` and `curves` return those of this
    process.
    """

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
                count the updates' images since the last reset. Pass each image's position in
                the data set where several processes share it: the result then does not depend
                on their number.

        Raises:
            InputError: as the metric's function.
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


def concatenated(state: list[Tensor] | Tensor) -> Tensor:
    """Return a list state as one tensor; torchmetrics itself joins it once it is gathered."""
    if isinstance(state, list) and not state:
        raise InputError("the metric has seen no saliency map yet, expected at least one")
    values: Tensor = dim_zero_cat(state)
    return values
