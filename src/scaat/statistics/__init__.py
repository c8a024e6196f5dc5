"""Intervals, paired comparisons and pooled seeds: NumPy and SciPy on per-image values."""

from scaat.statistics.intervals import (
    accuracy_interval,
    auc_interval,
    curve_interval,
    mean_interval,
    ratio_interval,
)
from scaat.statistics.pairs import (
    auc_parts,
    paired_auc_difference,
    paired_difference,
    paired_ratio_difference,
)
from scaat.statistics.resampling import CONFIDENCE, RESAMPLES
from scaat.statistics.seeds import (
    RankStability,
    pooled_mean,
    pooled_ratio,
    pooled_ratio_difference,
    rank_stability,
)

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "RankStability",
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
    "rank_stability",
    "ratio_interval",
]
