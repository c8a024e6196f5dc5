"""Is the saliency a lattice? Its share on one pixel in four, and AOPC in squares of 2 pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.evaluation.measures.faithfulness import aopc_metric, aopc_passes
from scaat.functional.lattice import lattice_shares
from scaat.options.evaluation import EvaluationOptions
from scaat.statistics import ratio_interval

SIDE = 2  # the smallest square that holds a pixel of every lattice of period 2


@measures.register("lattice")
class Lattice(Measure):
    """What a network that ignores every second row or column can't hide."""

    def __init__(self, subject: EvaluationContext, options: EvaluationOptions) -> None:
        super().__init__(subject, options)
        self.shares: list[Tensor] = []
        self.metric = aopc_metric(subject, options, SIDE)

    @classmethod
    def passes(cls, options: EvaluationOptions) -> int:
        """Return two orders' perturbed images and the clean one."""
        return aopc_passes(options)

    def update(self, batch: Batch) -> None:
        """Divide the batch's maps, and perturb its images."""
        if min(batch.maps.shape[1:]) < SIDE:
            height, width = batch.maps.shape[1:]
            raise InputError(
                f"the measure 'lattice' needs images of {SIDE} x {SIDE} pixels or more, "
                f"found {height} x {width}"
            )
        self.shares.append(lattice_shares(batch.maps).cpu())
        self.metric.update(self.subject.predict, batch.images, batch.maps, numbers=batch.numbers)

    def values(self) -> dict[str, Tensor]:
        """Return ``lattice_share``, ``squares_lerf`` and ``squares_morf``.

        A lattice belongs to the network, so it is the same for all images: the one of the four
        with the most saliency. The most in each image would be over a quarter by chance alone.
        """
        shares = torch.cat(self.shares)
        found = {"lattice_share": shares[:, shares.mean(0).argmax()]}
        areas = self.metric.values()
        return found | {f"squares_{order}": areas[f"aopc_{order}"] for order in ("lerf", "morf")}

    def row(self, values: Arrays, seed: int, resamples: int) -> dict[str, Any]:
        """Return the means, and the ratio of the two areas."""
        areas = values["squares_morf"], values["squares_lerf"]
        return super().row(values, seed, resamples) | {
            "squares_rel": ratio_interval(*areas, seed, resamples)
        }
