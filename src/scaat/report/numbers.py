"""How a number and its interval are printed, the same in every table and sentence."""

from __future__ import annotations

import math
from dataclasses import replace

from scaat.report.catalogue import Metric
from scaat.report.results import Estimate

MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
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
    return f"[{', '.join(_end(metric, bound, decimals) for bound in bounds)}]"


def full_text(metric: Metric, estimate: Estimate | None) -> str:
    """Return value and interval in one line."""
    return f"{value_text(metric, estimate)} {interval_text(metric, estimate)}".rstrip()


def signed_text(metric: Metric, difference: Estimate) -> tuple[str, str]:
    """Return a difference with its sign, ``+0.31``, and its interval.

    Its own size sets the digits: it may be far smaller than the values it is of.
    """
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


def _end(metric: Metric, bound: float, decimals: int) -> str:
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


def _decimals(metric: Metric, estimate: Estimate) -> int:
    """Return how many decimals show three digits of the value or of its uncertainty.

    The larger of the two sets the scale: the digits of a value far below its own uncertainty say
    nothing. The uncertainty is the distance to the nearer end, as a ratio's far end can be
    anywhere.
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
