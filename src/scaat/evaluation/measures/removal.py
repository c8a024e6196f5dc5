"""Faithfulness beyond the paper's protocol: insertion and deletion, and ROAD."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.functional.road import STEPS
from scaat.metrics import ROAD, InsertionDeletion
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import curve_interval


@measures.register("insertion-deletion")
class InsertionAndDeletion(Measure):
    """Areas under the probability as the most relevant pixels are inserted, or deleted."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.metric = InsertionDeletion(
            steps=options.deletion_steps,
            insertion_fill=options.insertion_fill,
            deletion_fill=options.deletion_fill,
            region_size=options.deletion_region_size,
            repeats=options.aopc_repeats,
            seed=subject.seed,
            batch_size=subject.batch_size,
        )

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return both curves' images, by fills that are not random, and the clean one."""
        return 2 * options.deletion_steps + 1

    def update(self, batch: Batch) -> None:
        """Insert and delete the batch's pixels."""
        self.metric.update(self.subject.predict, batch.images, batch.maps, numbers=batch.numbers)

    def values(self) -> dict[str, Tensor]:
        """Return ``insertion`` and ``deletion``, and the ``..._curve`` (n, steps + 1) of each."""
        curves = {f"{name}_curve": curve for name, curve in self.metric.curves().items()}
        return self.metric.values() | curves

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the mean areas, and the mean curves."""
        steps = self.options.deletion_steps
        return super().row(values, seed, resamples) | {
            "insertion_deletion": {
                "fraction": torch.linspace(0, 1, steps + 1, dtype=torch.float64).tolist(),
                "insertion": curve_interval(values["insertion_curve"], seed, resamples),
                "deletion": curve_interval(values["deletion_curve"], seed, resamples),
            }
        }


@measures.register("road")
class RemoveAndImpute(Measure):
    """ROAD: what removed pixels' neighbours can't tell must matter."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.metric = ROAD(seed=subject.seed, batch_size=subject.batch_size)

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return two orders' images and the clean one."""
        return 2 * STEPS + 1

    def update(self, batch: Batch) -> None:
        """Impute the batch's pixels."""
        self.metric.update(self.subject.predict, batch.images, batch.maps, numbers=batch.numbers)

    def values(self) -> dict[str, Tensor]:
        """Return ``road`` and its parts ``road_lerf`` and ``road_morf``."""
        return self.metric.values()
