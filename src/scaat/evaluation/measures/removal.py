"""Measures of the prediction as ranked regions are removed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor

from scaat.data import to_float
from scaat.evaluation.context import Arrays, EvaluationContext, Samples
from scaat.evaluation.measures.base import Measure, measures
from scaat.functional.baselines import BASELINES
from scaat.functional.road import STEPS
from scaat.metrics import (
    AOPC,
    ROAD,
    BlockAOPC,
    CurveMetric,
    FineTunedFidelity,
    InsertionDeletion,
    LatticeFraction,
)
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import curve_interval


class Removal(Measure):
    """A measure by one metric of curves."""

    metric_type: ClassVar[type[CurveMetric]]

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.metric = self.make_metric()
        self.metrics = {"curves": self.metric}

    def settings(self) -> dict[str, Any]:
        """Return the metric's arguments by the options; none where it has its own protocol."""
        return {}

    def make_metric(self, **further: Any) -> CurveMetric:
        """Return a metric of these and further settings."""
        seed, batch_size = self.context.seed, self.context.batch_size
        return self.metric_type(**self.settings(), **further, seed=seed, batch_size=batch_size)

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Perturb the images."""
        self.metric.update(self.context.predict, samples.images, maps, image_ids=samples.image_ids)


def aopc_settings(options: EvaluationOptions) -> dict[str, Any]:
    """Return the arguments of AOPC, except the region size."""
    return {
        "steps": options.aopc_steps,
        "fraction": options.aopc_fraction,
        "repeats": options.aopc_repeats,
        "baseline": options.aopc_baseline,
    }


_Z = 1.96  # of a 95 % interval; the choice of when to stop need not be the bootstrap
_NOISE_SHARE = 0.05


class Stop(Enum):
    """Why no further round of repeats is made."""

    NARROW = "the intervals are narrow enough"
    IMAGES = "the images decide the intervals' width: only more of them would narrow it"
    LIMIT = "the limit of repeats is reached"


def stop(rounds: Sequence[dict[str, Tensor]], *, tolerance: float, affordable: bool) -> Stop | None:
    """Return why to stop after these rounds of repeats, or None to continue.

    A round has the values (n,) of each metric, of the same images. The ``tolerance`` is the
    half-width of a 95 % interval that is narrow enough, for every metric.

    The variance of a mean over images has a part from the images and a part from the random
    repeats, which alone falls with further rounds. Once that part is under 5 % of the whole, at
    best 2.5 % of the width is to be gained.
    """
    by_metric = [torch.stack([values[name] for values in rounds]).double() for name in rounds[0]]
    count = by_metric[0].shape[1]
    whole = [values.mean(0).var() / count for values in by_metric]
    if all(_Z * float(variance) ** 0.5 <= tolerance for variance in whole):
        return Stop.NARROW
    if len(rounds) > 1:
        noise = [values.var(0).mean() / len(rounds) / count for values in by_metric]
        if all(part <= _NOISE_SHARE * all_ for part, all_ in zip(noise, whole, strict=True)):
            return Stop.IMAGES
    return None if affordable else Stop.LIMIT


@measures.register("aopc")
class Faithfulness(Removal):
    """Curves of the confidence's decay, least and most relevant regions first.

    With ``aopc_tolerance`` rounds of ``aopc_repeats`` are added until the intervals are narrow
    enough. The batches are kept for that in main memory: 8 bytes a pixel and 1 a value.
    """

    metric_type = AOPC

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.rounds = [self.metric]
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.stopped: Stop | None = None

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return two orders' perturbed images and the clean one, of the first round."""
        repeats = options.aopc_repeats if BASELINES[options.aopc_baseline].draw else 1
        return 2 * options.aopc_steps * repeats + 1

    def settings(self) -> dict[str, Any]:
        """Return those of AOPC."""
        return {"region_size": self.options.aopc_region_size, **aopc_settings(self.options)}

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Perturb the images."""
        super().update(samples, maps, targets)
        if self.options.aopc_tolerance is not None:
            pixels = (samples.images * 255).round().byte()  # what they were made of: exact
            self.kept.append((pixels.cpu(), maps.cpu(), samples.image_ids))
            self.device = samples.images.device

    def values(self) -> dict[str, Tensor]:
        """Return ``aopc_lerf`` and ``aopc_morf``, and the curves ``lerf`` and ``morf``."""
        while self.options.aopc_tolerance is not None and self.stopped is None:
            self.stopped = stop(
                [metric.values() for metric in self.rounds],
                tolerance=self.options.aopc_tolerance,
                affordable=(len(self.rounds) + 1) * self.options.aopc_repeats
                <= self.options.aopc_max_repeats,
            )
            if self.stopped is None:
                self._add_round()
        parts = [metric.values() | metric.curves() for metric in self.rounds]
        return {name: torch.stack([part[name] for part in parts]).mean(0) for name in parts[0]}

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the means, their ratio, the mean curves, and what the adaptive mode spent."""
        steps, fraction = self.options.aopc_steps, self.options.aopc_fraction
        row = super().row(values, seed, resamples) | {
            "curves": {
                "fraction": [k / steps * fraction for k in range(1, steps + 1)],
                "lerf": curve_interval(values["lerf"], seed, resamples),
                "morf": curve_interval(values["morf"], seed, resamples),
            },
        }
        if self.stopped:
            repeats = len(self.rounds) * self.options.aopc_repeats
            row["aopc_adaptive"] = {"repeats": repeats, "stopped": self.stopped.value}
        return row

    def _add_round(self) -> None:
        metric = self.make_metric(first_repeat=len(self.rounds) * self.options.aopc_repeats)
        for pixels, maps, image_ids in self.kept:
            images = to_float(pixels.to(self.device))
            metric.update(self.context.predict, images, maps.to(self.device), image_ids=image_ids)
        self.context.processes.gather(metric)
        self.rounds.append(metric)


@measures.register("lattice")
class Lattice(Removal):
    """Saliency on one pixel in four, and AOPC in blocks: they show a network that skips rows."""

    metric_type = BlockAOPC

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.fraction = LatticeFraction()
        self.metrics = {"lattice_fraction": self.fraction, "curves": self.metric}

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return two orders' perturbed images and the clean one."""
        return Faithfulness.passes(options)

    def settings(self) -> dict[str, Any]:
        """Return those of AOPC."""
        return aopc_settings(self.options)

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Divide the maps, and perturb the images."""
        self.fraction.update(maps)
        super().update(samples, maps, targets)


@measures.register("insertion-deletion")
class InsertionAndDeletion(Removal):
    """Areas under the probability as the most relevant pixels are inserted, or deleted."""

    metric_type = InsertionDeletion

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return both curves' images, by baselines that are not random, and the clean one."""
        return 2 * options.deletion_steps + 1

    def settings(self) -> dict[str, Any]:
        """Return those of the options."""
        return {
            "steps": self.options.deletion_steps,
            "insertion_baseline": self.options.insertion_baseline,
            "deletion_baseline": self.options.deletion_baseline,
            "region_size": self.options.deletion_region_size,
            "repeats": self.options.aopc_repeats,
        }

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
class RemoveAndImpute(Removal):
    """ROAD: ``road`` and its parts ``road_lerf`` and ``road_morf``."""

    metric_type = ROAD
    passes_per_image = 2 * STEPS + 1  # two orders' images and the clean one


@measures.register("f-fidelity")
class Fidelity(Removal):
    """Both sides of F-Fidelity, for a model that was fine-tuned on images with missing pixels."""

    metric_type = FineTunedFidelity
    passes_per_image = 201  # two orders' images of 10 steps and 10 draws, and the clean one
