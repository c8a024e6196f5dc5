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
    table = np.array(points, dtype=np.float64).reshape(len(points), -1 if points else 0)
    known = ~np.isnan(table).any(1)
    front = []
    for i, point in enumerate(table):
        others = table[known & (np.arange(len(table)) != i)]
        beaten = ((others >= point).all(1) & (others > point).any(1)).any()
        front.append(bool(known[i] and not beaten))
    return front
