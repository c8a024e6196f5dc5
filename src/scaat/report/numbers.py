"""How a number and its interval are printed, the same in every table and sentence."""

from __future__ import annotations

import math

from scaat.report.catalogue import Metric
from scaat.report.results import Estimate

MINUS = "\N{MINUS SIGN}"
NOT_MEASURED = "–"


def value_text(metric: Metric, estimate: Estimate | None) -> str:
    """Return the printed value: ``5.89``, ``undefined`` or, where not measured, a dash."""
    if estimate is None:
        return NOT_MEASURED
    if estimate.value is None:
        return "undefined"
    return _fixed(estimate.value * metric.scale, _decimals(metric, estimate))


def interval_text(metric: Metric, estimate: Estimate | None) -> str:
    """Return the printed interval: ``[5.85, 5.93]``, ``[4.1, unbounded]``, or nothing."""
    bounds = None if estimate is None else estimate.bounds
    if estimate is None or bounds is None:
        return ""
    if all(map(math.isinf, bounds)):
        return "[unbounded]"
    decimals = _decimals(metric, estimate)
    ends = (
        "unbounded" if math.isinf(bound) else _fixed(bound * metric.scale, decimals)
        for bound in bounds
    )
    return f"[{', '.join(ends)}]"


def full_text(metric: Metric, estimate: Estimate | None) -> str:
    """Return value and interval in one line."""
    return f"{value_text(metric, estimate)} {interval_text(metric, estimate)}".rstrip()


def seconds_text(seconds: float | None) -> str:
    """Return a duration in seconds, or in minutes from two minutes on."""
    if seconds is None:
        return NOT_MEASURED
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def ratio_text(ratio: float | None) -> str:
    """Return a cost ratio: ``2.4×``."""
    return NOT_MEASURED if ratio is None else f"{ratio:.2f}×"


def _decimals(metric: Metric, estimate: Estimate) -> int:
    """Return how many decimals show three digits of the value or of its half-interval.

    The larger of the two sets the scale: the digits of a value far below its own uncertainty
    say nothing.
    """
    if metric.decimals is not None:
        return metric.decimals
    scale = abs(estimate.value or 0.0)
    if estimate.low is not None and estimate.high is not None:
        scale = max(scale, (estimate.high - estimate.low) / 2)
    scale *= metric.scale
    if scale == 0:
        return 0
    return min(max(2 - math.floor(math.log10(scale)), 0), 6)


def _fixed(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    if float(text) == 0:  # no "-0.00"
        text = text.lstrip("-")
    return text.replace("-", MINUS)
