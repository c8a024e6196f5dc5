"""Saliency quality as `torchmetrics.Metric` classes that keep a value for each image."""

from scaat.declarations import Declaration
from scaat.metrics.base import CurveMetric, MapMetric, PerImageMetric, SaliencyMetric
from scaat.metrics.complexity import CompressedSize, GiniIndex, Hoyer, SaliencyEntropy
from scaat.metrics.faithfulness import AOPC, ROAD, FineTunedFidelity, InsertionDeletion
from scaat.metrics.lattice import BlockAOPC, LatticeFraction
from scaat.metrics.localisation import EnergyInside, IoUAtArea, PointingGame
from scaat.metrics.outside import GridPointingGame, SensitivityN, SingleDeletion
from scaat.metrics.stability import MapCorrelation, MaxSensitivity, RelativeInputStability

__all__ = [
    "AOPC",
    "ROAD",
    "BlockAOPC",
    "CompressedSize",
    "CurveMetric",
    "Declaration",
    "EnergyInside",
    "FineTunedFidelity",
    "GiniIndex",
    "GridPointingGame",
    "Hoyer",
    "InsertionDeletion",
    "IoUAtArea",
    "LatticeFraction",
    "MapCorrelation",
    "MapMetric",
    "MaxSensitivity",
    "PerImageMetric",
    "PointingGame",
    "RelativeInputStability",
    "SaliencyEntropy",
    "SaliencyMetric",
    "SensitivityN",
    "SingleDeletion",
]
