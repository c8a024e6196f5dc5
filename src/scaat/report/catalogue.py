"""What the report calls each metric, training method and saliency method, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """How one number of a row is named, read and printed."""

    key: str
    name: str
    better: Literal["higher", "lower"]
    definition: str
    short: str = ""
    scale: float = 1.0
    """Printed value = stored value x scale (the paper prints AOPC in thousandths)."""
    unit: str = ""
    decimals: int | None = None
    """Digits after the point; None: three significant digits."""

    @property
    def arrow(self) -> str:
        """Return the direction that is better, as the paper's tables mark it."""
        return "↑" if self.better == "higher" else "↓"

    @property
    def label(self) -> str:
        """Return name, unit and arrow: the head of a table's row or column."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name}{unit} {self.arrow}"


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "accuracy",
            "Accuracy",
            "higher",
            "Share of test images whose most probable class is the true one.",
            short="Acc.",
            decimals=3,
        ),
        Metric(
            "auc",
            "AUC",
            "higher",
            "Area under the ROC curve: the chance that a positive image scores above a negative "
            "one (two classes only).",
            decimals=3,
        ),
        Metric(
            "entropy",
            "Saliency entropy",
            "lower",
            "Shannon entropy of the map after division by its maximum and rounding to 256 "
            "levels: a sparse map, mostly at one level, has little.",
            short="Entropy",
            unit="bits",
            decimals=2,
        ),
        Metric(
            "size_kb",
            "Compressed size",
            "lower",
            "Size of that 8-bit map as a compressed image file: noise does not compress.",
            short="Size",
            unit="kB",
        ),
        Metric(
            "gini",
            "Gini index",
            "higher",
            "Inequality of the map's values, from 0 (all equal) towards 1 (all in one pixel).",
            short="Gini",
            decimals=3,
        ),
        Metric(
            "aopc_lerf",
            "AOPC LeRF",
            "lower",
            "Mean fall of the predicted class's probability while the least relevant regions "
            "are replaced first: regions that a map calls irrelevant should not matter.",
            short="LeRF",
            scale=1e3,
            unit="10⁻³",
        ),
        Metric(
            "aopc_morf",
            "AOPC MoRF",
            "higher",
            "The same while the most relevant regions are replaced first: regions that a map "
            "calls relevant should matter.",
            short="MoRF",
            scale=1e3,
            unit="10⁻³",
        ),
        Metric(
            "aopc_rel",
            "AOPC rel",
            "higher",
            "Ratio of the two means, MoRF over LeRF: how much more the relevant regions matter "
            "than the irrelevant ones.",
            short="rel",
        ),
    )
}

PERFORMANCE = ("accuracy", "auc")
SALIENCY = ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel")

# What a verdict counts: the paper's metrics. MoRF alone is shown but not counted across models,
# since a model that any change upsets has a high MoRF whatever its map; its place is in the ratio.
SPARSITY = ("entropy", "size_kb", "gini")
FAITHFULNESS = ("aopc_lerf", "aopc_rel")
COUNTED = SPARSITY + FAITHFULNESS

METHODS = {"standard": "Standard", "saliency-guided": "Saliency-guided", "scaat": "SCAAT"}
ATTRIBUTIONS = {
    "gradient": "Vanilla gradient",
    "smoothgrad": "SmoothGrad",
    "integrated-gradients": "Integrated Gradients",
}


def method_name(key: str) -> str:
    """Return the printed name of a training method; an unknown one keeps its own."""
    return METHODS.get(key, key)


def attribution_name(key: str) -> str:
    """Return the printed name of a saliency method; an unknown one keeps its own."""
    return ATTRIBUTIONS.get(key, key)
