"""The paper's own figures: its tables 1, 2 and 3, as printed."""

from __future__ import annotations

from typing import Literal

Letter = Literal["C", "P", "I"]
"""CIFAR-10, PCAM or ImageNet-1k, as Table 1 abbreviates them."""

DATA_NAMES: dict[Letter, str] = {"C": "CIFAR-10", "P": "PCAM", "I": "ImageNet-1k"}

METHODS = ("standard", "saliency-guided", "scaat")
ATTRIBUTIONS = ("gradient", "smoothgrad", "integrated-gradients")
"""Table 1's training methods and saliency methods, in its order."""

# A line holds the three training methods under each of the three saliency methods. AOPC LeRF is
# printed in thousandths.
_TABLE_1: dict[Letter, dict[str, tuple[float, ...]]] = {
    "C": {
        "entropy": (5.89, 5.60, 4.69, 5.86, 5.69, 4.71, 5.56, 5.40, 4.34),
        "size_kb": (3.30, 2.93, 1.95, 3.14, 2.91, 1.92, 2.84, 2.63, 1.80),
        "aopc_lerf": (220, 14.6, 0.18, 180, 11.7, 0.32, 220, 38.4, 0.36),
        "aopc_rel": (2.18, 17.1, 960, 2.72, 22.2, 917, 2.18, 6.25, 801),
    },
    "P": {
        "entropy": (5.61, 5.30, 4.56, 5.60, 5.43, 4.54, 4.93, 4.72, 4.43),
        "size_kb": (2.48, 2.34, 1.61, 2.45, 2.33, 1.61, 2.23, 2.04, 1.52),
        "aopc_lerf": (3.20, 6.25, 0.23, 2.89, 6.29, 0.23, 8.94, 7.65, 0.21),
        "aopc_rel": (78.1, 38.4, 1030, 90.0, 38.1, 982, 24.6, 28.8, 938),
    },
    "I": {
        "entropy": (5.49, 5.21, 4.45, 5.12, 5.01, 4.23, 4.98, 4.85, 4.15),
        "size_kb": (13.2, 11.9, 7.12, 12.9, 12.7, 6.94, 12.8, 12.4, 6.80),
        "aopc_lerf": (85.2, 42.1, 0.98, 72.5, 56.9, 0.93, 43.2, 21.8, 1.21),
        "aopc_rel": (3.84, 5.13, 321, 4.66, 6.56, 346, 4.21, 7.93, 305),
    },
}
TABLE_1: dict[tuple[Letter, str, str, str], float] = {
    (letter, metric, attribution, method): values[3 * i + j]
    / (1000 if metric == "aopc_lerf" else 1)
    for letter, by_metric in _TABLE_1.items()
    for metric, values in by_metric.items()
    for i, attribution in enumerate(ATTRIBUTIONS)
    for j, method in enumerate(METHODS)
}
"""By data, metric, saliency method and training method; all models are ResNet-18."""

FIXED = "scaat, fixed proportion"
FGSM = "scaat, FGSM"

# Performance and AOPC ratio of ResNet-18, then of VGG-16.
_TABLE_2: dict[Letter, dict[str, tuple[float, float, float, float]]] = {
    "C": {
        "standard": (0.910, 2.18, 0.904, 2.35),
        "saliency-guided": (0.892, 17.1, 0.889, 15.2),
        FIXED: (0.890, 871, 0.893, 896),
        "scaat": (0.905, 960, 0.901, 921),
    },
    "P": {
        "standard": (0.928, 78.1, 0.935, 85.3),
        "saliency-guided": (0.911, 38.4, 0.929, 78.4),
        FIXED: (0.926, 987, 0.931, 801),
        "scaat": (0.933, 1030, 0.939, 956),
    },
    "I": {
        "standard": (0.687, 3.84, 0.744, 4.29),
        "saliency-guided": (0.653, 5.13, 0.684, 6.05),
        FIXED: (0.671, 215, 0.721, 266),
        "scaat": (0.682, 321, 0.738, 368),
    },
}
TABLE_2: dict[tuple[Letter, str, int, str], float] = {
    (letter, method, model, metric): values[2 * model + place]
    for letter, by_method in _TABLE_2.items()
    for method, values in by_method.items()
    for model in (0, 1)
    for place, metric in enumerate(("performance", "aopc_rel"))
}
"""By data, training method, model (0: ResNet-18, 1: VGG-16) and metric, by vanilla gradients.

Performance is accuracy, and for PCAM the AUC.
"""

TABLE_3: dict[tuple[str, str], float] = {
    (method, metric): value
    for method, values in {
        "standard": (0.687, 0.455, 1.0),
        "scaat": (0.683, 0.601, 2.5),
        FGSM: (0.684, 0.578, 1.4),
    }.items()
    for metric, value in zip(("accuracy", "gini", "time"), values, strict=True)
}
"""ImageNet-1k, by training method and metric; the time is in units of standard training's."""
