"""Grid pointing game as a `torchmetrics.Metric` class."""

from __future__ import annotations

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.grid import grid_pointing_game
from scaat.metrics.base import PerImageMetric


class GridPointingGame(PerImageMetric):
    """Mean fraction of the saliency in the explained image's cell of a grid of images.

    The keyword arguments are those of `scaat.functional.grid_pointing_game`.
    """

    function = staticmethod(grid_pointing_game)
    declares = (
        Declaration(
            key="grid_pointing_game",
            name="Grid pointing game",
            better="higher",
            definition="Fraction of the map's sum in the explained image's cell, of a grid of "
            "2 x 2 images of different classes: 0.25 is chance.",
            category="further",
            short="GridPG",
            decimals=3,
        ),
    )

    def update(self, maps: Tensor, cells: Tensor) -> None:
        """Measure saliency maps (N, H, W) of grids, for the classes in the cells, int64 (N,).

        Raises:
            InputError: As the function.
        """
        self.per_image.append(self.function(maps, cells, **self.settings))
