"""Stability: how far maps move when their images move a little."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.evaluation.context import EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.metrics import MaxSensitivity, RelativeInputStability
from scaat.options.evaluation import EvaluationOptions


@measures.register("stability")
class Stability(Measure):
    """Max-sensitivity and relative input stability, over one set of perturbed images."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        settings: dict[str, Any] = {
            "perturbations": options.stability_perturbations,
            "radius": options.stability_radius,
            "seed": subject.seed,
            "batch_size": subject.batch_size,
        }
        self.max_sensitivity = MaxSensitivity(**settings)
        self.relative = RelativeInputStability(**settings)

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return the maps of clean and perturbed images, twice, and one prediction of each."""
        return 3 * (options.stability_perturbations + 1)

    def update(self, batch: Batch) -> None:
        """Explain perturbed copies of the batch's images for the clean images' classes."""

        def explain(images: Tensor, position: Tensor) -> Tensor:
            return self.subject.attribute(
                self.subject.model,
                images,
                batch.targets[position],
                masks=None if batch.masks is None else batch.masks[position],
                numbers=batch.numbers[position],
            )

        self.max_sensitivity.update(explain, batch.images, numbers=batch.numbers)
        self.relative.update(self.subject.predict, explain, batch.images, numbers=batch.numbers)

    def values(self) -> dict[str, Tensor]:
        """Return ``max_sensitivity`` and ``relative_input_stability``."""
        return {
            "max_sensitivity": self.max_sensitivity.values(),
            "relative_input_stability": self.relative.values(),
        }
