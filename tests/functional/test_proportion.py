"""Algorithm 2 by hand-worked cases."""

from __future__ import annotations

import torch

from scaat.functional import update_proportion

LIMITS = {"step": 0.125, "minimum": 0.25, "maximum": 0.75}


def update(q: list[float], index: list[int], correct: list[bool]) -> list[float]:
    found = update_proportion(
        torch.tensor(q), torch.tensor(index, dtype=torch.int64), torch.tensor(correct), **LIMITS
    )
    return found.tolist()


def test_up_when_correct_down_when_not_and_the_rest_stays() -> None:
    assert update([0.5, 0.5, 0.5, 0.5], [2, 0], [True, False]) == [0.375, 0.5, 0.625, 0.5]


def test_stays_inside_the_bounds() -> None:
    assert update([0.25, 0.75, 0.7], [0, 1, 2], [False, True, True]) == [0.25, 0.75, 0.75]


def test_a_sample_seen_twice_moves_twice() -> None:
    assert update([0.5], [0, 0], [True, True]) == [0.75]
    assert update([0.5], [0, 0], [True, False]) == [0.5]
    assert update([0.5], [0, 0, 0], [False, False, True]) == [0.375]


def test_order_of_the_batch_is_without_effect() -> None:
    torch.manual_seed(0)
    q, index = torch.rand(10) * 0.5 + 0.25, torch.randint(0, 10, (200,))
    correct = torch.rand(200) < 0.5
    order = torch.randperm(200)
    limits = {"step": 0.013, "minimum": 0.25, "maximum": 0.75}
    first = update_proportion(q, index, correct, **limits)
    assert torch.equal(first, update_proportion(q, index[order], correct[order], **limits))


def test_unvisited_samples_are_not_even_bounded_and_the_input_is_kept() -> None:
    q = torch.tensor([0.0, 0.5])
    found = update_proportion(q, torch.tensor([1]), torch.tensor([True]), **LIMITS)
    assert found.tolist() == [0.0, 0.625]
    assert q.tolist() == [0.0, 0.5]


def test_empty_batch() -> None:
    assert update([0.5], [], []) == [0.5]
