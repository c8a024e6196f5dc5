"""Times of steps beside each other, and the memory that a step holds."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from scaat.cost.step import (
    TensorMemory,
    TrialStep,
    idle_optimizer,
    interleaved,
    peak_bytes,
    spread,
    timed,
    turn_length,
)
from scaat.objectives import build_objective

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


CPU = torch.device("cpu")


def test_tensors_count_while_they_live_and_views_not() -> None:
    with TensorMemory() as memory:
        one = torch.zeros(1000)
        view = one[:10].view(2, 5)
        assert memory.alive == 4000
        two = view.double()  # 10 numbers of 8 bytes
        assert memory.alive == 4080
        del one
        assert memory.alive == 4080  # the view keeps it
        del view, two
        assert (memory.alive, memory.peak) == (0, 4080)


def test_what_a_graph_keeps_counts_until_the_backward_pass() -> None:
    weight = torch.ones(100, requires_grad=True)
    with TensorMemory() as memory:
        memory.add(weight)
        memory.add(weight)
        value = (weight.exp().exp()).sum()
        assert memory.alive == 400 + 2 * 400 + 4
        value.backward()
        assert weight.grad is not None
        assert memory.alive == 400 + 400 + 4  # weight, gradient, value
    del value


def trial(method: str, **options: object) -> TrialStep:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.Tanh(), nn.Linear(64, 4))
    batch = torch.rand(16, 3, 8, 8), torch.arange(16) % 4, torch.arange(16)
    objective = build_objective(method, 16, options)
    return TrialStep(model, objective, lambda: batch, idle_optimizer(model))


def test_the_peak_of_a_step_is_that_of_the_allocator() -> None:
    for method, options in (
        ("standard", {}),
        ("scaat", {"steps": 2, "weight": 5.0, "search_interval": 1}),
        ("input-gradient", {}),
    ):
        step = trial(method, **options)
        step()  # makes the momentum
        step.optimizer.zero_grad()
        kept = {each.untyped_storage()._cdata: each.untyped_storage() for each in step.tensors()}
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            step()
            step()
        now = peak = sum(storage.nbytes() for storage in kept.values())
        for event in profiler.profiler.kineto_results.events():
            if event.name() == "[memory]":
                now += event.nbytes()
                peak = max(peak, now)
        found = peak_bytes(step, CPU)
        assert abs(found - peak) < 0.01 * peak, method


def test_two_graphs_take_more_than_one() -> None:
    standard, scaat = trial("standard"), trial("scaat", steps=1, weight=5.0, search_interval=1)
    assert peak_bytes(scaat, CPU) > peak_bytes(standard, CPU)
