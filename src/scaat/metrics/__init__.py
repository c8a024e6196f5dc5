"""Saliency quality as `torchmetrics.Metric` classes that keep a value for each image."""

from scaat.metrics.aopc import AOPC
from scaat.metrics.compressed_size import CompressedSize
from scaat.metrics.entropy import SaliencyEntropy
from scaat.metrics.gini import GiniIndex
from scaat.metrics.per_image import PerImageMetric

__all__ = ["AOPC", "CompressedSize", "GiniIndex", "PerImageMetric", "SaliencyEntropy"]
