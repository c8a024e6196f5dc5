"""Localisation of saliency maps as `torchmetrics.Metric` classes, against the objects' masks."""

from __future__ import annotations

from torch import Tensor

from scaat.functional.localisation import energy_inside, iou_at_area, pointing_game
from scaat.metrics.per_image import PerImageMetric


class LocalisationMetric(PerImageMetric):
    """A metric of saliency maps against masks; an image with an empty mask has no value (NaN).

    Boxes become masks by `scaat.functional.box_masks`.
    """

    higher_is_better = True

    def measure(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Return the values (N,) of saliency maps (N, H, W) against masks (N, H, W)."""
        raise NotImplementedError

    def update(self, maps: Tensor, masks: Tensor) -> None:
        """Measure saliency maps (N, H, W), non-negative, against bool masks of their shape.

        Raises:
            InputError: ``maps`` or ``masks`` have another shape or type, or ``maps`` a negative
                or non-finite value.
        """
        self.per_image.append(self.measure(maps, masks))


class PointingGame(LocalisationMetric):
    """How often the most salient pixel lies on the object; see `scaat.functional.pointing_game`."""

    def measure(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Return whether each map's maximum is inside, (N,), 0 to 1."""
        return pointing_game(maps, masks)


class EnergyInside(LocalisationMetric):
    """Mean share of the saliency on the object; see `scaat.functional.energy_inside`."""

    def measure(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Return the share of each map's sum that is inside, (N,), 0 to 1."""
        return energy_inside(maps, masks)


class IoUAtArea(LocalisationMetric):
    """Mean overlap of the object and as many top pixels; see `scaat.functional.iou_at_area`."""

    def measure(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Return each map's intersection over union with its mask, (N,), 0 to 1."""
        return iou_at_area(maps, masks)
