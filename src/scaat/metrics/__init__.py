"""Saliency quality as `torchmetrics.Metric` classes that keep a value for each image."""

from scaat.metrics.aopc import AOPC
from scaat.metrics.compressed_size import CompressedSize
from scaat.metrics.entropy import SaliencyEntropy
from scaat.metrics.gini import GiniIndex
from scaat.metrics.hoyer import Hoyer
from scaat.metrics.insertion_deletion import InsertionDeletion
from scaat.metrics.localisation import EnergyInside, IoUAtArea, PointingGame
from scaat.metrics.map_correlation import MapCorrelation
from scaat.metrics.per_image import MapMetric, PerImageMetric
from scaat.metrics.road import ROAD
from scaat.metrics.stability import MaxSensitivity, RelativeInputStability

__all__ = [
    "AOPC",
    "ROAD",
    "CompressedSize",
    "EnergyInside",
    "GiniIndex",
    "Hoyer",
    "InsertionDeletion",
    "IoUAtArea",
    "MapCorrelation",
    "MapMetric",
    "MaxSensitivity",
    "PerImageMetric",
    "PointingGame",
    "RelativeInputStability",
    "SaliencyEntropy",
]
