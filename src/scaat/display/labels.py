"""What metrics and methods are called, and how numbers are printed: the same everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scaat.declarations import Declaration, declarations

METRICS = declarations()


def keys_of(category: str) -> tuple[str, ...]:
    """Return the keys of the metrics of a category."""
    return tuple(key for key, metric in METRICS.items() if metric.category == category)


PERFORMANCE = keys_of("performance")
MODEL = keys_of("model")
SPARSITY = keys_of("sparsity")
SALIENCY = (*SPARSITY, *keys_of("faithfulness"))


FAMILIES = {
    "further": "Further measures of sparsity, faithfulness and localisation",
    "lattice": "Lattices: sparse and faithful pixel by pixel alone?",
    "localisation": "Localisation against the annotated regions",
    "stability": "Stability under small changes of the image",
    "sanity": "Sanity: maps of models that have learnt nothing",
}
"""Captions of the tables that are shown where some row has their category of metrics."""
OPTIONAL = (*MODEL, *(key for family in FAMILIES for key in keys_of(family)))
RATIOS = {key: metric.ratio_of for key, metric in METRICS.items() if metric.ratio_of}
"""Ratios of the means of two per-image metrics."""

# What a verdict counts: the paper's metrics. MoRF alone is shown but not counted across models,
# since a model that any change upsets has a high MoRF whatever its map; its place is in the ratio.
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
    "class-competition": "Class competition",
    "forgrad": "FORGrad",
    "pooled-gradient": "Pooled gradient",
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
    """Return the printed name of a training method; unknown names and settings in brackets stay."""
    name, bracket, settings = key.partition(" (")
    return METHODS.get(name, name) + bracket + settings


def attribution_name(key: str) -> str:
    """Return the printed name of a saliency method; an unknown one keeps its own."""
    return ATTRIBUTIONS.get(key, key)


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` test images and its 95 % interval.

    A bound is None where no interval was computed, and, for a ratio marked ``unbounded``, where
    the interval has no end on that side; the value is None where its LeRF is not above 0.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unbounded: bool = False

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the interval with infinite open ends, or None where there is no interval."""
        if self.unbounded:
            low = -math.inf if self.low is None else self.low
            return low, math.inf if self.high is None else self.high
        return None if self.low is None or self.high is None else (self.low, self.high)

    def __neg__(self) -> Estimate:
        value, low, high = (
            None if x is None else 0.0 - x for x in (self.value, self.high, self.low)
        )
        return replace(self, value=value, low=low, high=high)


MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
NOT_MEASURED = "–"


def value_text(metric: Declaration, estimate: Estimate | None) -> str:
    """Return the printed value: ``5.89``, a dash where not measured, or why there is none."""
    if estimate is None or (estimate.value is None and not metric.ratio_of):
        return NOT_MEASURED
    if estimate.value is None:
        return "LeRF ≤ 0"  # the ratio's denominator, and often the best case
    return _fixed(estimate.value * metric.scale, _decimals(metric, estimate))


def interval_text(metric: Declaration, estimate: Estimate | None) -> str:
    """Return the printed interval: ``[5.85, 5.93]``, ``[4.1, unbounded]``, or nothing."""
    bounds = None if estimate is None else estimate.bounds
    if estimate is None or bounds is None:
        return ""
    if all(map(math.isinf, bounds)):
        return "[unbounded]"
    decimals = _decimals(metric, estimate)
    return f"[{', '.join(_end(metric, bound, decimals) for bound in bounds)}]"


def full_text(metric: Declaration, estimate: Estimate | None) -> str:
    """Return value and interval in one line."""
    return f"{value_text(metric, estimate)} {interval_text(metric, estimate)}".rstrip()


def signed_text(metric: Declaration, difference: Estimate) -> tuple[str, str]:
    """Return a difference with its sign, ``+0.31``, and its interval; its size sets the digits."""
    free = replace(metric, decimals=None)
    value = value_text(free, difference)
    positive = difference.value is not None and difference.value > 0 and value.strip("0.")
    return f"{'+' if positive else ''}{value}", interval_text(free, difference)


def seconds_text(seconds: float | None) -> str:
    """Return a duration in seconds, in minutes from two on, in hours from two on."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 120:
        return f"{_fixed(seconds, _three_digits(seconds))} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _end(metric: Declaration, bound: float, decimals: int) -> str:
    if math.isinf(bound):
        return "unbounded"
    bound *= metric.scale
    # A far end needs fewer decimals than the value; a near one no more.
    if metric.decimals is None and bound:
        decimals = min(decimals, _three_digits(bound))
    return _fixed(bound, decimals)


def ratio_text(ratio: float | None) -> str:
    """Return a cost ratio: ``2.43×``."""
    return NOT_MEASURED if ratio is None else f"{_fixed(ratio, _three_digits(ratio))}×"


def _decimals(metric: Declaration, estimate: Estimate) -> int:
    """Return how many decimals show three digits of the value or its uncertainty, the larger.

    The uncertainty is the distance to the nearer end, as a ratio's far end can be anywhere.
    """
    if metric.decimals is not None:
        return metric.decimals
    value, bounds = estimate.value or 0.0, estimate.bounds
    distance = 0.0 if bounds is None else min(abs(value - bound) for bound in bounds)
    scale = abs(value) if math.isinf(distance) else max(abs(value), distance)
    return _three_digits(scale * metric.scale)


def _three_digits(number: float) -> int:
    return min(max(2 - math.floor(math.log10(abs(number))), 0), 6) if number else 0


def _fixed(number: float, decimals: int) -> str:
    if abs(number) >= 1000:  # such a value, or end, is not known to the last digit
        number = float(f"{number:.3g}")
    text = f"{number:,.{decimals}f}".replace(",", NARROW_SPACE)
    if not text.strip("-0."):  # no "-0.00"
        text = text.lstrip("-")
    return text.replace("-", MINUS)
