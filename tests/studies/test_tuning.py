"""The search by Optuna, on settings whose gains are known."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from scaat.errors import InputError
from scaat.studies.sweeps import pareto_front
from scaat.studies.tuning import LEAST_LERF, Gain, Search, best, choices, interval

SPACE = {"weight": interval(0.1, 10.0), "steps": interval(0, 4), "mode": choices(["a", "b"])}


def gain(weight: float, steps: int, mode: str) -> Gain:
    """Better maps cost accuracy."""
    lost = weight / 4 + steps / 4 + (mode == "b")
    return Gain(lost, 0.9 - lost / 100, 0.1 / weight / (1 + steps), 0.5 + weight / 100)


def run(search: Search, count: int) -> None:
    while len(search.finished) < count:
        (trial,) = search.ask(1)
        known = gain(**trial.params)
        search.tell(trial, None if known.lost > 3 else known)


def search(path: Path, seed: int = 0) -> Search:
    start = {"weight": 0.5, "steps": 9, "unused": 1}  # 9 steps are not in the space
    return Search(path, SPACE, start, budget=1.0, seed=seed)


def test_an_interrupted_search_continues_as_it_would_have(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    run(whole, 14)
    run(search(tmp_path / "part"), 5)
    (lost,) = search(tmp_path / "part").ask(1)  # and its process was killed
    again = search(tmp_path / "part")
    run(again, 14)
    tried = [[trial.params for trial in one.finished] for one in (whole, again)]
    assert tried[0] == tried[1]
    assert tried[0][5] == lost.params
    assert tried[0][0]["weight"] == 0.5
    other = search(tmp_path / "other", seed=1)
    run(other, 3)
    assert other.finished[2].params != tried[0][2]


def test_the_front_is_within_the_budget(tmp_path: Path) -> None:
    made = search(tmp_path / "one")
    run(made, 30)
    kept = [
        known.objectives
        for trial in made.finished
        if (known := gain(**trial.params)).lost <= 1
    ]  # fmt: skip
    ahead = pareto_front([(accuracy, -lerf, gini) for accuracy, lerf, gini in kept])
    assert 1 < sum(ahead) < len(kept)
    expected = sorted(itertools.compress(kept, ahead))
    assert sorted(tuple(trial.values) for trial in made.front) == expected
    nothing = Search(tmp_path / "two", SPACE, {}, budget=0.0, seed=0)
    run(nothing, 3)
    assert nothing.front == []


def test_the_best_has_the_best_mean_rank(tmp_path: Path) -> None:
    made = Search(tmp_path / "one", SPACE, {}, budget=5.0, seed=0)
    known = [
        Gain(0.0, 0.90, 0.1, 0.5),
        Gain(1.0, 0.89, 0.01, 0.6),  # second in both
        Gain(2.0, 0.88, 0.001, 0.55),  # first and third
        Gain(3.0, 0.87, 0.02, 0.7),  # third and first
    ]
    for one in known:
        made.tell(made.ask(1)[0], one)
    assert len(made.front) == 4
    assert best(made.front).values[0] == 0.89  # of equal ranks the most accurate


def test_no_difference_below_chance() -> None:
    assert Gain(0, 0.9, 0.0, 0.5).objectives == Gain(0, 0.9, LEAST_LERF, 0.5).objectives
    assert Gain(0, 0.9, 1e-2, 0.5).objectives[1] == pytest.approx(-2)


def test_ranges() -> None:
    assert interval(1, 9).log is False  # type: ignore[attr-defined]
    assert interval(0.01, 0.1).log is True  # type: ignore[attr-defined]
    assert interval(-1.0, 10.0).log is False  # type: ignore[attr-defined]
    for ends in ((1, 1), (2.0, 1.0)):
        with pytest.raises(InputError, match="expected the lower end first"):
            interval(*ends)
