"""Intervals, paired comparisons and pooled seeds: NumPy and SciPy on per-image values."""

from scaat.statistics.intervals import (
    CONFIDENCE,
    RESAMPLES,
    accuracy_interval,
    auc_interval,
    auc_parts,
    curve_interval,
    mean_interval,
    paired_auc_difference,
    paired_difference,
    paired_ratio_difference,
    ratio_interval,
)
from scaat.statistics.seeds import (
    pooled_mean,
    pooled_ratio,
    pooled_ratio_difference,
)

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "accuracy_interval",
    "auc_interval",
    "auc_parts",
    "curve_interval",
    "mean_interval",
    "paired_auc_difference",
    "paired_difference",
    "paired_ratio_difference",
    "pooled_mean",
    "pooled_ratio",
    "pooled_ratio_difference",
    "ratio_interval",
]
