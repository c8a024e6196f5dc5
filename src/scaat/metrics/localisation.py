"""Localisation of saliency maps as `torchmetrics.Metric` classes, against the objects' masks."""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.localisation import energy_inside, iou_at_area, pointing_game
from scaat.metrics.base import PerImageMetric


class LocalisationMetric(PerImageMetric):
    """A metric of saliency maps against masks; an image with an empty mask has no value (NaN).

    Boxes become masks by `scaat.functional.box_masks`.
    """

    def update(self, maps: Tensor, masks: Tensor) -> None:
        """Measure saliency maps (N, H, W), non-negative, against bool masks of their shape.

        Raises:
            InputError: as the function.
        """
        self.per_image.append(self.function(maps, masks))


class PointingGame(LocalisationMetric):
    """How often the most salient pixel lies on the object; see `scaat.functional.pointing_game`."""

    function = staticmethod(pointing_game)
    declares = (
        Declaration(
            key="pointing_game",
            name="Pointing game",
            better="higher",
            definition="Fraction of images whose most relevant pixel lies in the annotated region.",
            category="localisation",
            short="Pointing",
            decimals=3,
        ),
    )


class EnergyInside(LocalisationMetric):
    """Mean fraction of the saliency on the object; see `scaat.functional.energy_inside`."""

    function = staticmethod(energy_inside)
    declares = (
        Declaration(
            key="energy_inside",
            name="Energy inside",
            better="higher",
            definition="Fraction of the map's sum that lies in the annotated region.",
            category="localisation",
            short="Energy",
            decimals=3,
        ),
    )


class IoUAtArea(LocalisationMetric):
    """Mean overlap of the object and as many top pixels; see `scaat.functional.iou_at_area`."""

    function = staticmethod(iou_at_area)
    declares = (
        Declaration(
            key="iou",
            name="IoU at true area",
            better="higher",
            definition="Overlap, intersection over union, of the annotated region with as many of "
            "the most relevant pixels.",
            category="localisation",
            short="IoU",
            decimals=3,
        ),
    )
