"""What a study computes without training: its settings and its front."""

from __future__ import annotations

import itertools

import numpy as np

from scaat.studies import combinations, pareto_front

VALUES = {"a": [1, 2, 3], "b": ["x", "y"]}


def test_all_combinations() -> None:
    points = combinations(VALUES)
    assert [(p["a"], p["b"]) for p in points] == list(itertools.product([1, 2, 3], "xy"))


def test_one_at_a_time() -> None:
    assert combinations(VALUES, one_at_a_time=True) == [
        *({}, {"a": 1}, {"a": 2}, {"a": 3}),
        *({"b": "x"}, {"b": "y"}),
    ]


def test_front_of_known_points() -> None:
    # (1, 3) and (3, 1) trade; (2, 2) is between and beaten by none; (1, 1) is beaten by all.
    assert pareto_front([(1, 3), (2, 2), (3, 1), (1, 1)]) == [True, True, True, False]
    assert pareto_front([(1, 1), (1, 1)]) == [True, True]  # neither is better
    assert pareto_front([(1, 1), (1, 2)]) == [False, True]
    assert pareto_front([(float("nan"), 9), (1, 1)]) == [False, True]
    assert pareto_front([]) == []


def test_front_against_a_loop() -> None:
    points = np.random.default_rng(0).integers(0, 6, (60, 3)).tolist()

    def beaten(point: list[int]) -> bool:
        return any(
            all(o >= p for o, p in zip(other, point, strict=True)) and other != point
            for other in points
        )

    assert pareto_front(points) == [not beaten(point) for point in points]
