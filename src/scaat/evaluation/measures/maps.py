"""Measures of the maps themselves, and of how they change with the image or the model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import scaat.metrics
from scaat.errors import InputError
from scaat.evaluation.context import Arrays, EvaluationContext, Samples
from scaat.evaluation.measures.base import Measure, measures
from scaat.functional import randomised_models
from scaat.metrics import (
    EnergyInside,
    IoUAtArea,
    MapCorrelation,
    MapMetric,
    MaxSensitivity,
    PerImageMetric,
    PointingGame,
    RelativeInputStability,
)
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import curve_interval


@measures.register("sparsity")
class Sparsity(Measure):
    """Entropy, compressed size, Gini index, Hoyer sparsity, and further metrics of maps alone."""

    metrics: Mapping[str, PerImageMetric]

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        codec = {"codec": self.options.size_codec, "quality": self.options.size_quality}
        self.metrics = {
            each.key: metric(**(codec if each.key == "size_kb" else {}))
            for metric in vars(scaat.metrics).values()
            if inspect.isclass(metric) and issubclass(metric, MapMetric)
            for each in metric.declares
            if each.category in ("sparsity", "further")
        }

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Measure the maps."""
        for metric in self.metrics.values():
            metric.update(maps)


@measures.register("localisation")
class Localisation(Measure):
    """Pointing game, energy inside, and intersection over union at the object's area.

    An image without an object has NaN.
    """

    metrics: Mapping[str, PerImageMetric]

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.metrics = {
            metric.declares[0].key: metric() for metric in (PointingGame, EnergyInside, IoUAtArea)
        }

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Measure the maps against the masks."""
        if samples.masks is None:
            raise InputError("localisation needs the objects' masks or boxes, found neither")
        for metric in self.metrics.values():
            metric.update(maps, samples.masks)


@measures.register("stability")
class Stability(Measure):
    """Max-sensitivity and relative input stability, over one set of perturbed images."""

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        settings: dict[str, Any] = {
            "perturbations": self.options.stability_perturbations,
            "radius": self.options.stability_radius,
            "seed": context.seed,
            "batch_size": context.batch_size,
        }
        self.max_sensitivity = MaxSensitivity(**settings)
        self.relative = RelativeInputStability(**settings)
        self.metrics = {
            "max_sensitivity": self.max_sensitivity,
            "relative_input_stability": self.relative,
        }

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return the maps of clean and perturbed images, twice, and one prediction of each."""
        return 3 * (options.stability_perturbations + 1)

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Explain perturbed copies of the images for the clean ones' classes."""

        def explain(images: Tensor, position: Tensor) -> Tensor:
            return self.context.attribute(
                self.context.model,
                images,
                targets[position],
                masks=None if samples.masks is None else samples.masks[position],
                image_ids=samples.image_ids[position],
            )

        self.max_sensitivity.update(explain, samples.images, image_ids=samples.image_ids)
        self.relative.update(
            self.context.predict, explain, samples.images, image_ids=samples.image_ids
        )


@measures.register("randomisation")
class Randomisation(Measure):
    """Rank correlation with the maps of the model with ever more of its layers randomised."""

    metrics: Mapping[str, PerImageMetric]

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        # All at once: a handful of models, each of which every batch needs.
        self.models = dict(
            randomised_models(context.model, context.seed, self.options.randomisation_stages)
        )
        self.metrics = {layer: MapCorrelation() for layer in self.models}

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return one map for each randomised model."""
        return options.randomisation_stages

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Explain the images by every randomised model."""
        for layer, model in self.models.items():
            other = samples.explain(self.context.attribute, model, targets)
            self.metrics[layer].update(maps, other)

    def values(self) -> dict[str, Tensor]:
        """Return ``randomisation_correlation``, all layers random, and ``by_layer`` (n, stages)."""
        by_layer = torch.stack(list(super().values().values()), dim=1)
        return {"randomisation_correlation": by_layer[:, -1], "by_layer": by_layer}

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the mean, and the mean after each stage."""
        return super().row(values, seed, resamples) | {
            "randomisation": {
                "layers": list(self.models),
                "correlation": curve_interval(values["by_layer"], seed, resamples),
            }
        }


@measures.register("random-labels")
class RandomLabels(Measure):
    """Rank correlation with the maps of a model trained on random labels."""

    passes_per_image = 1  # the other model's map

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        if context.random_label_model is None:
            raise InputError("this measure needs a model trained on random labels, found none")
        self.other = context.random_label_model
        self.correlation = MapCorrelation()
        self.metrics = {"random_label_correlation": self.correlation}

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Explain the images by the other model, for the same classes."""
        other = samples.explain(self.context.attribute, self.other, targets)
        self.correlation.update(maps, other)
