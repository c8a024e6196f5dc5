"""What the metrics share: values kept for each image, and what the numbers declare."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from inspect import signature
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
    """What the numbers are called and mean."""
    function: ClassVar[Callable[..., Any]]
    """The mathematics, whose keyword arguments the metric takes, with its defaults."""
    settings: dict[str, Any]
    """Those that were given."""

    def __init__(self, **options: Any) -> None:
        """Args: options: keyword arguments of ``function`` and of `torchmetrics.Metric`."""
        function = getattr(self, "function", None)
        known = signature(function).parameters if function else ()
        super().__init__(**{name: value for name, value in options.items() if name not in known})
        self.settings = {name: value for name, value in options.items() if name in known}
        # A `MetricCollection` updates one of several metrics whose states have equal names and
        # values. This state's name is the metric's own.
        own = f"{type(self).__name__} {self.settings}"
        self.add_state(own, default=torch.tensor(0), dist_reduce_fx="max")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take ``higher_is_better`` from the class's own declarations."""
        super().__init_subclass__(**kwargs)
        directions = {each.higher_is_better for each in vars(cls).get("declares", ())}
        if len(directions) == 1:
            cls.higher_is_better = directions.pop()


class PerImageMetric(SaliencyMetric):
    """A metric with one value for each image; `compute` returns their mean.

    The values are kept, for intervals and distributions: 4 bytes an image. In several processes
    `compute` gathers them; `values` returns those of this process. A value is NaN where the metric
    is not defined for an image (its class says when); `compute` leaves it out.
    """

    per_image: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("per_image", default=[], dist_reduce_fx="cat")

    def values(self) -> Tensor:
        """Return the value of each image so far, float32 (N,), in the order of the updates."""
        return concatenated(self.per_image)

    def compute(self) -> Tensor:
        """Return the mean over all images with a value, a float32 scalar; NaN without any."""
        return self.values().nanmean()


class NumberedMetric(PerImageMetric):
    """A metric with random numbers, for which ``image_ids``, integers (N,), name the images.

    By default they count the updates' images since the last reset; pass positions in the data set
    where several processes share it: their number then changes nothing.
    """

    full_state_update = True  # `forward` on a copy of its own would count from 0 in each batch

    def numbered(self, images: Tensor, image_ids: Tensor | None) -> Tensor:
        """Return the images' numbers, which count on from those before unless given."""
        if image_ids is not None:
            return image_ids
        return torch.arange(len(images)) + sum(len(part) for part in self.per_image)


class MapMetric(PerImageMetric):
    """A metric of the saliency maps alone; the evaluation measures each one that has a key."""

    def measure(self, maps: Tensor) -> Tensor:
        """Return the values (N,) of saliency maps (N, H, W): by default ``function``'s."""
        values: Tensor = self.function(maps, **self.settings)
        return values

    def update(self, maps: Tensor) -> None:
        """Measure saliency maps (N, H, W), floating point, non-negative.

        Raises:
            InputError: ``maps`` have another shape or type, or a negative or non-finite value.
        """
        self.per_image.append(self.measure(maps))


class CurveMetric(SaliencyMetric):
    """A metric of the prediction's curves as pixels are replaced: 4 bytes a point and image.

    ``function`` returns the curves (N, points) by name, of a prediction, images and maps.

    In several processes `compute` gathers the curves; `values` and `curves` return those of this
    process.
    """

    names: ClassVar[tuple[str, ...]]
    """Of the curves."""
    full_state_update = True  # as for `NumberedMetric`
    seen: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in self.names:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.add_state("seen", default=torch.tensor(0), dist_reduce_fx="sum")

    @abstractmethod
    def values(self) -> dict[str, Tensor]:
        """Return the values of each image so far, float32 (N,), by name."""

    def update(
        self, predict: Predict, images: Tensor, maps: Tensor, image_ids: Tensor | None = None
    ) -> None:
        """Measure the curves of images (N, C, H, W) with saliency maps (N, H, W).

        Args:
            predict: maps images to logits; a model belongs in eval mode here.
            images: floating point in [0, 1].
            maps: non-negative, on the device of ``images``.
            image_ids: as for `NumberedMetric`.

        Raises:
            InputError: as the metric's function.
        """
        if image_ids is None:
            image_ids = torch.arange(len(images)) + int(self.seen)
        curves = self.function(predict, images, maps, image_ids=image_ids, **self.settings)
        for name, curve in curves.items():
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
