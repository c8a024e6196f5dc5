"""Which settings are worth looking at: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Tell for each point whether no other is at least as good in all and better in one.

    Args:
        points: Of equal length; in each place more is better. A point with NaN is not on the
            front, and puts no other off it.
    """
    if not points:
        return []
    table = np.array(points, dtype=np.float64)
    known = ~np.isnan(table).any(axis=1)
    front = []
    for i, point in enumerate(table):
        others = table[known & (np.arange(len(table)) != i)]
        beaten = np.all(others >= point, axis=1) & np.any(others > point, axis=1)
        front.append(bool(known[i]) and not bool(np.any(beaten)))
    return front
