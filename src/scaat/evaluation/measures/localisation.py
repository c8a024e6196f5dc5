"""Localisation: how much of a map lies on the object that makes the class."""

from __future__ import annotations

from torch import Tensor

from scaat.errors import InputError
from scaat.evaluation.context import EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.metrics import EnergyInside, IoUAtArea, PointingGame
from scaat.options.evaluation import EvaluationOptions


@measures.register("localisation")
class Localisation(Measure):
    """Pointing game, energy inside, and intersection over union at the object's area."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.metrics = {
            "pointing_game": PointingGame(),
            "energy_inside": EnergyInside(),
            "iou": IoUAtArea(),
        }

    def update(self, batch: Batch) -> None:
        """Measure the batch's maps against its masks."""
        if batch.masks is None:
            raise InputError("localisation needs the objects' masks or boxes, found neither")
        for metric in self.metrics.values():
            metric.update(batch.maps, batch.masks)

    def values(self) -> dict[str, Tensor]:
        """Return ``pointing_game``, ``energy_inside`` and ``iou``; NaN where there is no object."""
        return {name: metric.values() for name, metric in self.metrics.items()}
