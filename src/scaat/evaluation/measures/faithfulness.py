"""Faithfulness by the paper's protocol: AOPC, with as many repeats as its intervals need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scaat.data import to_float
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.evaluation.repeats import Stop, stop
from scaat.functional.fills import FILLS
from scaat.metrics import AOPC
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import curve_interval, ratio_interval


def aopc_passes(options: EvaluationOptions) -> int:
    """Return the images that an `aopc_metric` predicts: both orders' perturbed, the clean one."""
    repeats = options.aopc_repeats if FILLS[options.aopc_fill].draw else 1
    return 2 * options.aopc_steps * repeats + 1


def aopc_metric(
    subject: EvaluationContext,
    options: EvaluationOptions,
    region_size: int,
    *,
    first_repeat: int = 0,
) -> AOPC:
    """Return AOPC by the options' protocol, with squares of ``region_size`` pixels."""
    return AOPC(
        steps=options.aopc_steps,
        fraction=options.aopc_fraction,
        region_size=region_size,
        repeats=options.aopc_repeats,
        first_repeat=first_repeat,
        fill=options.aopc_fill,
        seed=subject.seed,
        batch_size=subject.batch_size,
    )


@measures.register("aopc")
class Faithfulness(Measure):
    """Curves of the confidence's decay, least and most relevant regions first.

    With ``aopc_tolerance`` rounds of ``aopc_repeats`` are added until the intervals are narrow
    enough. The batches are kept for that, in the main memory: 8 bytes a pixel and 1 a value.
    """

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.rounds = [self._metric(0)]
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.stopped: Stop | None = None

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return two orders' perturbed images and the clean one, of the first round."""
        return aopc_passes(options)

    def update(self, batch: Batch) -> None:
        """Perturb the batch's images."""
        self._perturb(self.rounds[0], batch.images, batch.maps, batch.numbers)
        if self.options.aopc_tolerance is not None:
            pixels = (batch.images * 255).round().byte()  # what they were made of: exact
            self.kept.append((pixels.cpu(), batch.maps.cpu(), batch.numbers))
            self.device = batch.images.device

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
        found = super().row(values, seed, resamples) | {
            "aopc_rel": ratio_interval(values["aopc_morf"], values["aopc_lerf"], seed, resamples),
            "curves": {
                "fraction": [k / steps * fraction for k in range(1, steps + 1)],
                "lerf": curve_interval(values["lerf"], seed, resamples),
                "morf": curve_interval(values["morf"], seed, resamples),
            },
        }
        if self.stopped:
            repeats = len(self.rounds) * self.options.aopc_repeats
            found["aopc_adaptive"] = {"repeats": repeats, "stopped": self.stopped.value}
        return found

    def _add_round(self) -> None:
        metric = self._metric(len(self.rounds) * self.options.aopc_repeats)
        for pixels, maps, numbers in self.kept:
            images = to_float(pixels.to(self.device))
            self._perturb(metric, images, maps.to(self.device), numbers)
        self.rounds.append(metric)

    def _perturb(self, metric: AOPC, images: Tensor, maps: Tensor, numbers: Tensor) -> None:
        metric.update(self.subject.predict, images, maps, numbers=numbers)

    def _metric(self, first_repeat: int) -> AOPC:
        side = self.options.aopc_region_size
        return aopc_metric(self.subject, self.options, side, first_repeat=first_repeat)
