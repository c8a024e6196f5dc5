from __future__ import annotations

import time

import pytest
import torch

from scaat.cost.step import interleaved, spread, timed, turn_length

CPU = torch.device("cpu")


def test_steps_take_turns() -> None:
    made: list[str] = []
    told: list[int] = []
    steps = [lambda: made.append("a"), lambda: made.append("b")]
    found = interleaved(steps, rounds=3, repeats=2, device=CPU, progress=told.append)
    assert made == ["a", "a", "b", "b"] * 3
    assert told == [1, 2, 3]
    assert [len(times) for times in found] == [2, 2, 2]
    assert all(seconds > 0 for times in found for seconds in times)


def test_a_time_is_that_of_one_repetition() -> None:
    ((seconds,),) = interleaved([lambda: time.sleep(0.02)], rounds=1, repeats=3, device=CPU)
    assert 0.02 <= seconds < timed(lambda: time.sleep(0.2), 1, CPU)


def test_a_turn_is_as_long_as_wanted() -> None:
    assert turn_length(lambda: time.sleep(0.02), 0.0, CPU) == 1
    assert turn_length(lambda: time.sleep(0.02), 100.0, CPU) <= 5000


def test_median_and_quartiles() -> None:
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)
    assert spread([1.0, 2.0]).median == pytest.approx(1.5)
