"""How sparse saliency maps are, by four definitions."""

from __future__ import annotations

from scaat.declarations import Declaration
from scaat.functional.sparsity import compressed_size, entropy, gini, hoyer
from scaat.metrics.base import MapMetric


class SaliencyEntropy(MapMetric):
    """Mean entropy of saliency maps in bits, 0 to 8; see `scaat.functional.entropy`."""

    function = staticmethod(entropy)
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


class CompressedSize(MapMetric):
    """Mean size in kilobytes of saliency maps as image files.

    ``codec`` and ``quality`` are those of `scaat.functional.compressed_size`.
    """

    function = staticmethod(compressed_size)
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


class GiniIndex(MapMetric):
    """Mean Gini index of saliency maps, 0 to 1; see `scaat.functional.gini`."""

    function = staticmethod(gini)
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


class Hoyer(MapMetric):
    """Mean Hoyer index of saliency maps, 0 to 1; see `scaat.functional.hoyer`."""

    function = staticmethod(hoyer)
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
