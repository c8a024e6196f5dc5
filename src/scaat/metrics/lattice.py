"""Is the saliency a lattice? Its fraction on one pixel in four, and AOPC in 2 x 2 blocks."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.lattice import lattice_fractions
from scaat.metrics.base import MapMetric
from scaat.metrics.faithfulness import AOPC


class LatticeFraction(MapMetric):
    """Mean fraction of the saliency on one lattice of period 2, 0.25 to 1.

    A lattice belongs to the network, so it is the same for all images: the one of the four with
    the most saliency over all of them. The most in each image would exceed a quarter by chance
    alone. See `scaat.functional.lattice_fractions`, whose four fractions are kept.
    """

    function = staticmethod(lattice_fractions)
    declares = (
        Declaration(
            key="lattice_fraction",
            name="Fraction on one lattice",
            better="lower",
            definition="Fraction of the map's sum on one pixel in four, those with an even or odd "
            "row and an even or odd column, whichever has most over all images: 0.25 is an even "
            "spread, 0.5 every second row. The maps of a network that reads one lattice alone "
            "are sparse without being informative.",
            category="lattice",
            short="Lattice",
            decimals=3,
        ),
    )

    def values(self) -> Tensor:
        """Return each image's fraction on the lattice with the most saliency, float32 (N,)."""
        fractions = super().values()
        return fractions[:, fractions.mean(0).argmax()]


class BlockAOPC(AOPC):
    """`AOPC` in blocks of 2 x 2 pixels, each of which holds a pixel of every lattice of period 2.

    ``settings`` are those of `AOPC`, without the region size.
    """

    prefix = "blocks"
    declares = (
        Declaration(
            key="blocks_lerf",
            name="AOPC LeRF, 2 x 2 blocks",
            better="lower",
            definition="AOPC LeRF with blocks of 2 x 2 pixels replaced instead of single ones; "
            "each holds a pixel of every lattice.",
            category="lattice",
            short="LeRF, 2 x 2",
            scale=1e3,
            unit="10⁻³",
        ),
        Declaration(
            key="blocks_morf",
            name="AOPC MoRF, 2 x 2 blocks",
            better="higher",
            definition="AOPC MoRF with the same blocks.",
            category="lattice",
            short="MoRF, 2 x 2",
            scale=1e3,
            unit="10⁻³",
        ),
        Declaration(
            key="blocks_rel",
            name="AOPC ratio, 2 x 2 blocks",
            better="higher",
            definition="Their ratio. Far below the AOPC ratio: the maps are faithful pixel by "
            "pixel alone.",
            category="lattice",
            short="ratio, 2 x 2",
            ratio_of=("blocks_morf", "blocks_lerf"),
        ),
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(region_size=2, **settings)
