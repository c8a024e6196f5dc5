"""Which settings are worth looking at: the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = Sequence[float]


def pareto_front(points: Sequence[Point]) -> list[bool]:
    """Tell for each point whether no other is at least as good in all and better in one.

    Args:
        points: Of equal length; in each place more is better. A point with NaN is not on the
            front, and puts no other off it.
    """
    known = [point for point in points if not any(map(math.isnan, point))]
    return [
        point in known and not any(_better(other, point) for other in known) for point in points
    ]


def _better(one: Point, other: Point) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
