"""Measures by others, for which no method here was designed."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.data import to_float
from scaat.errors import InputError
from scaat.evaluation.context import EvaluationContext, Samples
from scaat.evaluation.measures.base import Measure, measures
from scaat.functional.grid import cell_numbers, draw_grids, tile
from scaat.metrics import GridPointingGame, SensitivityN, SingleDeletion

GRID = 2


@measures.register("grid-pointing-game")
class Grids(Measure):
    """Fraction of the saliency in the explained image's cell of a grid of 2 x 2 images.

    An image that is not classified correctly has no value.
    """

    passes_per_image = 1  # the grid's map

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        if not context.image_set.has_labels:
            raise InputError("the measure 'grid-pointing-game' needs labelled images")
        _, channels, height, width = context.image_set.images.shape
        empty = torch.zeros(1, channels, GRID * height, GRID * width, device=context.device)
        try:
            with torch.no_grad():
                context.model(empty)
        except RuntimeError as error:
            raise InputError(
                "the measure 'grid-pointing-game' needs a model that takes images of "
                f"{GRID * height} x {GRID * width} pixels, and this one fails on them: {error}"
            ) from error
        self.metric = GridPointingGame(grid=GRID)
        self.metrics = {"grid_pointing_game": self.metric}

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Explain a grid for each image."""
        image_set, seed = self.context.image_set, self.context.seed
        members, cells = draw_grids(image_set.labels, samples.image_ids, grid=GRID, seed=seed)
        pixels = image_set.subset(members.flatten()).pixels().unflatten(0, members.shape)
        grids = to_float(tile(pixels).to(self.context.device))
        height, width = grids.shape[2:]
        numbers = cell_numbers(height, width, GRID).to(grids.device)
        cells = cells.to(grids.device)
        grid_maps = self.context.attribute(
            self.context.model,
            grids,
            targets,
            masks=numbers == cells.view(-1, 1, 1),
            image_ids=samples.image_ids,
        )
        self.metric.update(grid_maps, torch.where(targets == samples.labels, cells, -1))


@measures.register("single-deletion")
class Deletion(Measure):
    """Rank correlation of patches' saliency with the logit's fall without each."""

    passes_per_image = 16  # predictions without each of 4 x 4 patches

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.metric = SingleDeletion(batch_size=context.batch_size)
        self.metrics = {"single_deletion": self.metric}

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Delete patches of the images."""
        self.metric.update(self.context.predict, samples.images, maps, targets)


@measures.register("sensitivity-n")
class Sensitivity(Measure):
    """Correlation of the saliency of random sets of pixels with the logit's fall without them."""

    passes_per_image = 101  # predictions without each of 100 sets, and the clean one

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self.metric = SensitivityN(seed=context.seed, batch_size=context.batch_size)
        self.metrics = {"sensitivity_n": self.metric}

    def update(self, samples: Samples, maps: Tensor, targets: Tensor) -> None:
        """Remove sets of pixels from the images."""
        self.metric.update(
            self.context.predict, samples.images, maps, targets, image_ids=samples.image_ids
        )
