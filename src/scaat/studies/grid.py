"""The settings of a sweep: every combination of some values, a random choice, or one at a time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaat.errors import InputError

Values = Mapping[str, Sequence[Any]]
Point = dict[str, Any]


def combinations(
    values: Values, *, one_at_a_time: bool = False, sample: int | None = None, seed: int = 0
) -> list[Point]:
    """Return the points of a sweep, by option what differs from the settings it starts from.

    Args:
        values: By option the values to try, each at least one.
        one_at_a_time: Vary each option alone, the others as they start: as many points as there
            are values, after one where nothing is varied.
        sample: Draw this many of the points, without repetition, instead of all (random search:
            Bergstra & Bengio 2012).
        seed: Of that draw.

    Raises:
        InputError: ``sample`` is below 1 or above the number of points.
    """
    if one_at_a_time:
        points: list[Point] = [{}]
        points += [{name: value} for name, tried in values.items() for value in tried]
    else:
        points = [dict(point) for point in _product(values)]
    if sample is None:
        return points
    if not 1 <= sample <= len(points):
        raise InputError(
            f"sample is {sample}, expected a number from 1 to {len(points)}, the settings there are"
        )
    chosen = sorted(random.Random(seed).sample(range(len(points)), sample))
    return [points[i] for i in chosen]


def _product(values: Values) -> Iterator[Sequence[tuple[str, Any]]]:
    return itertools.product(
        *([(name, value) for value in tried] for name, tried in values.items())
    )
