"""How sparse saliency maps are, by four definitions."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.compressed_size import compressed_size
from scaat.functional.entropy import entropy
from scaat.functional.gini import gini
from scaat.functional.hoyer import hoyer
from scaat.metrics.base import MapMetric


class SaliencyEntropy(MapMetric):
    """Mean entropy of saliency maps in bits, 0 to 8; see `scaat.functional.entropy`."""

    declares = (
        Declaration(
            key="entropy",
            name="Saliency entropy",
            better="lower",
            definition="Shannon entropy of the map after division by its maximum and rounding to "
            "256 levels: a sparse map, mostly at one level, has little.",
            category="sparsity",
            short="Entropy",
            unit="bits",
            decimals=2,
        ),
    )

    def measure(self, maps: Tensor) -> Tensor:
        """Return the entropy (N,) of saliency maps (N, H, W)."""
        return entropy(maps)


class CompressedSize(MapMetric):
    """Mean size in kilobytes of saliency maps as image files.

    ``codec`` and ``quality`` are those of `scaat.functional.compressed_size`.
    """

    declares = (
        Declaration(
            key="size_kb",
            name="Compressed size",
            better="lower",
            definition="Size of that 8-bit map as a compressed image file: noise does not "
            "compress.",
            category="sparsity",
            short="Size",
            unit="kB",
        ),
    )

    def __init__(self, codec: str = "png", quality: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codec = codec
        self.quality = quality

    def measure(self, maps: Tensor) -> Tensor:
        """Return the size (N,) of saliency maps (N, H, W)."""
        return compressed_size(maps, self.codec, self.quality)


class GiniIndex(MapMetric):
    """Mean Gini index of saliency maps, 0 to 1; see `scaat.functional.gini`."""

    declares = (
        Declaration(
            key="gini",
            name="Gini index",
            better="higher",
            definition="Inequality of the map's values, from 0 (all equal) towards 1 (all in one "
            "pixel).",
            category="sparsity",
            short="Gini",
            decimals=3,
        ),
    )

    def measure(self, maps: Tensor) -> Tensor:
        """Return the Gini index (N,) of saliency maps (N, H, W)."""
        return gini(maps)


class Hoyer(MapMetric):
    """Mean Hoyer index of saliency maps, 0 to 1; see `scaat.functional.hoyer`."""

    declares = (
        Declaration(
            key="hoyer",
            name="Hoyer sparsity",
            better="higher",
            definition="From the ratio of the map's sum to its Euclidean length: 0 where all "
            "values are equal, 1 where one pixel holds everything.",
            category="further",
            short="Hoyer",
            decimals=3,
        ),
    )

    def measure(self, maps: Tensor) -> Tensor:
        """Return the Hoyer index (N,) of saliency maps (N, H, W)."""
        return hoyer(maps)
