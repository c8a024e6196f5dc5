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
        # Not broken before the arrow, which would stand alone.
        return f"{self.name}{unit}\N{NO-BREAK SPACE}{self.arrow}"


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
            "robust_accuracy_2",
            "Accuracy under attack, 2/255",
            "higher",
            "Share of the measured test images that are classified correctly as they are and after "
            "an attack that knows the model: PGD with 20 steps, which may change each pixel by "
            "2/255.",
            short="PGD 2/255",
            decimals=3,
        ),
        Metric(
            "robust_accuracy_8",
            "Accuracy under attack, 8/255",
            "higher",
            "The same with changes of up to 8/255.",
            short="PGD 8/255",
            decimals=3,
        ),
        Metric(
            "calibration_error",
            "Calibration error",
            "lower",
            "Expected calibration error: by how much the share of correct predictions differs from "
            "their probability, over 15 bins of probability.",
            short="ECE",
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
        Metric(
            "lattice_share",
            "Share on one lattice",
            "lower",
            "Share of the map's sum on one pixel in four, those with an even or odd row and an "
            "even or odd column, whichever has most over all images: 0.25 is an even spread, 0.5 "
            "every second row. A network that reads one lattice alone has sparse maps that tell "
            "nothing.",
            short="Lattice",
            decimals=3,
        ),
        Metric(
            "squares_lerf",
            "AOPC LeRF in squares",
            "lower",
            "AOPC LeRF with squares of 2 x 2 pixels replaced instead of single ones; each holds a "
            "pixel of every lattice.",
            short="LeRF, squares",
            scale=1e3,
            unit="10⁻³",
        ),
        Metric(
            "squares_morf",
            "AOPC MoRF in squares",
            "higher",
            "AOPC MoRF in the same squares.",
            short="MoRF, squares",
            scale=1e3,
            unit="10⁻³",
        ),
        Metric(
            "squares_rel",
            "AOPC rel in squares",
            "higher",
            "Their ratio. Far below AOPC rel: the maps are faithful pixel by pixel alone.",
            short="rel, squares",
        ),
        Metric(
            "hoyer",
            "Hoyer sparsity",
            "higher",
            "From the ratio of the map's sum to its Euclidean length: 0 where all values are "
            "equal, 1 where one pixel holds everything.",
            short="Hoyer",
            decimals=3,
        ),
        Metric(
            "insertion",
            "Insertion area",
            "higher",
            "Area under the predicted class's probability while pixels are put back into a "
            "blurred image, the most relevant first: the right pixels restore it soon.",
            short="Insertion",
            decimals=3,
        ),
        Metric(
            "deletion",
            "Deletion area",
            "lower",
            "Area under the same probability while pixels are set to zero, the most relevant "
            "first: without the right pixels it falls soon.",
            short="Deletion",
            decimals=3,
        ),
        Metric(
            "road",
            "ROAD",
            "higher",
            "Remove and debias: half of how much more the probability falls as the most relevant "
            "pixels are removed than as the least relevant are, each removed pixel filled from "
            "its neighbours, so that the shape of what is removed tells nothing.",
            short="ROAD",
            decimals=3,
        ),
        Metric(
            "pointing_game",
            "Pointing game",
            "higher",
            "Share of images whose most relevant pixel lies in the annotated region.",
            short="Pointing",
            decimals=3,
        ),
        Metric(
            "energy_inside",
            "Energy inside",
            "higher",
            "Share of the map's sum that lies in the annotated region.",
            short="Energy",
            decimals=3,
        ),
        Metric(
            "iou",
            "IoU at true area",
            "higher",
            "Overlap, intersection over union, of the annotated region with as many of the most "
            "relevant pixels.",
            short="IoU",
            decimals=3,
        ),
        Metric(
            "max_sensitivity",
            "Max-sensitivity",
            "lower",
            "Largest relative change of the map under small random changes of the image.",
            short="Max-sens.",
        ),
        Metric(
            "relative_input_stability",
            "Relative input stability",
            "lower",
            "Largest relative change of the map over the relative change of the image that "
            "caused it.",
            short="RIS",
        ),
        Metric(
            "randomisation_correlation",
            "Correlation after weight randomisation",
            "lower",
            "Rank correlation of the map with that of the same network with random weights: a "
            "map that stays says nothing of what was learnt.",
            short="Random weights",
            decimals=3,
        ),
        Metric(
            "random_label_correlation",
            "Correlation after random labels",
            "lower",
            "Rank correlation of the map with that of the same network trained on random labels.",
            short="Random labels",
            decimals=3,
        ),
    )
}

PERFORMANCE = ("accuracy", "auc")
# What else is measured of a model, whatever the saliency method; on request.
MODEL = ("robust_accuracy_2", "robust_accuracy_8", "calibration_error")
SALIENCY = ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel")


@dataclass(frozen=True)
class Family:
    """Metrics that share a table, shown where some row has them."""

    name: str
    caption: str
    metrics: tuple[str, ...]


FAMILIES = (
    Family(
        "further",
        "Further measures of sparsity and faithfulness",
        ("hoyer", "insertion", "deletion", "road"),
    ),
    Family(
        "lattice",
        "Lattices: sparse and faithful pixel by pixel alone?",
        ("lattice_share", "squares_lerf", "squares_morf", "squares_rel"),
    ),
    Family(
        "localisation",
        "Localisation against the annotated regions",
        ("pointing_game", "energy_inside", "iou"),
    ),
    Family(
        "stability",
        "Stability under small changes of the image",
        ("max_sensitivity", "relative_input_stability"),
    ),
    Family(
        "sanity",
        "Sanity: maps of models that have learnt nothing",
        ("randomisation_correlation", "random_label_correlation"),
    ),
)
OPTIONAL = (*MODEL, *(metric for family in FAMILIES for metric in family.metrics))

# What a verdict counts: the paper's metrics. MoRF alone is shown but not counted across models,
# since a model that any change upsets has a high MoRF whatever its map; its place is in the ratio.
SPARSITY = ("entropy", "size_kb", "gini")
FAITHFULNESS = ("aopc_lerf", "aopc_rel")
COUNTED = SPARSITY + FAITHFULNESS

METHODS = {
    "standard": "Standard",
    "saliency-guided": "Saliency-guided",
    "scaat": "SCAAT",
    "pgd-adversarial": "PGD adversarial",
    "trades": "TRADES",
    "input-gradient": "Input-gradient",
    "norm-regularised": "Norm-regularised",
    "saliency-guided-adversarial": "Saliency-guided adversarial",
}
ATTRIBUTIONS = {
    "gradient": "Vanilla gradient",
    "input-x-gradient": "Input × gradient",
    "smoothgrad": "SmoothGrad",
    "smoothgrad-squared": "SmoothGrad-squared",
    "vargrad": "VarGrad",
    "integrated-gradients": "Integrated Gradients",
    "expected-gradients": "Expected Gradients",
    "deeplift": "DeepLift",
    "guided-backprop": "Guided Backprop",
    "grad-cam": "Grad-CAM",
    "guided-grad-cam": "Guided Grad-CAM",
    "occlusion": "Occlusion",
    "random": "Random (lower bound)",
    "oracle": "Oracle (upper bound)",
}
BOUNDS = ("random", "oracle")  # attributions that no model's training has a hand in


def method_name(key: str) -> str:
    """Return the printed name of a training method; an unknown one keeps its own."""
    return METHODS.get(key, key)


def attribution_name(key: str) -> str:
    """Return the printed name of a saliency method; an unknown one keeps its own."""
    return ATTRIBUTIONS.get(key, key)
