"""Sanity (Adebayo et al. 2018): maps must change when what the model has learned is destroyed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.functional import randomised_models
from scaat.metrics import MapCorrelation
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import curve_interval


@measures.register("randomisation")
class Randomisation(Measure):
    """Rank correlation with the maps of the model with ever more of its layers randomised."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        # All at once: a handful of models, each of which every batch needs.
        models = randomised_models(subject.model, subject.seed, options.randomisation_stages)
        self.stages = [(layer, model, MapCorrelation()) for layer, model in models]

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return one map for each randomised model."""
        return options.randomisation_stages

    def update(self, batch: Batch) -> None:
        """Explain the batch by every randomised model."""
        for _, model, metric in self.stages:
            metric.update(batch.maps, batch.explain(self.subject.attribute, model))

    def values(self) -> dict[str, Tensor]:
        """Return ``randomisation_correlation``, all layers random, and ``by_layer`` (n, stages)."""
        by_layer = torch.stack([metric.values() for *_, metric in self.stages], dim=1)
        return {"randomisation_correlation": by_layer[:, -1], "by_layer": by_layer}

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the mean, and the mean after each stage."""
        return super().row(values, seed, resamples) | {
            "randomisation": {
                "layers": [layer for layer, *_ in self.stages],
                "correlation": curve_interval(values["by_layer"], seed, resamples),
            }
        }


@measures.register("random-labels")
class RandomLabels(Measure):
    """Rank correlation with the maps of a model trained on random labels."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        if subject.random_label_model is None:
            raise InputError("this measure needs a model trained on random labels, found none")
        self.other = subject.random_label_model
        self.metric = MapCorrelation()

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return the other model's map."""
        return 1

    def update(self, batch: Batch) -> None:
        """Explain the batch by the other model, for the same classes."""
        self.metric.update(batch.maps, batch.explain(self.subject.attribute, self.other))

    def values(self) -> dict[str, Tensor]:
        """Return ``random_label_correlation``."""
        return {"random_label_correlation": self.metric.values()}
