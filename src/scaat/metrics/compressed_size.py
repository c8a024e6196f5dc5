"""Compressed size of saliency maps as a `torchmetrics.Metric`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from scaat.functional.compressed_size import compressed_size
from scaat.metrics.per_image import MapMetric


class CompressedSize(MapMetric):
    """Mean size in kilobytes of saliency maps as image files.

    ``codec`` and ``quality`` are those of `scaat.functional.compressed_size`.
    """

    higher_is_better = False

    def __init__(self, codec: str = "png", quality: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codec = codec
        self.quality = quality

    def measure(self, maps: Tensor) -> Tensor:
        """Return the size (N,) of saliency maps (N, H, W)."""
        return compressed_size(maps, self.codec, self.quality)
