from __future__ import annotations

import sys
import tracemalloc

import pytest
from torch.utils.data import DistributedSampler

from scaat.training import batches
from scaat.training.batches import ResumableSampler, end_quietly


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [2, 12, 13, 17, 10_001])
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"drop_last": True}])
def test_order_is_torchs(count: int, processes: int, options: dict[str, bool]) -> None:
    """With padding, with more processes than samples, over several slices, and resumed."""
    for rank in range(processes):
        ours = ResumableSampler(range(count), processes, rank, seed=3, **options)
        theirs = DistributedSampler(range(count), processes, rank, seed=3, **options)
        for epoch in range(3):
            ours.set_epoch(epoch)
            theirs.set_epoch(epoch)
            assert list(ours) == list(theirs)
        for samples in (0, len(ours) // 2, len(ours)):
            ours.resume_at(2, samples)
            assert list(ours) == list(theirs)[samples:]
            ours.resume_at(1, samples)  # another epoch is whole
            assert list(ours) == list(theirs)


def test_order_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's numbers, which tracemalloc counts and the tensor's 8 bytes a sample are not."""
    monkeypatch.setattr(batches, "SLICE", 512)
    order = iter(ResumableSampler(range(100_000), 1, 0))
    tracemalloc.start()
    next(order)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_worker_is_silent_about_a_lost_connection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: said.append(error))
    end_quietly(0)
    other = ValueError("a bad image")
    for error in (BrokenPipeError(), ConnectionResetError(), other):
        sys.excepthook(type(error), error, None)
    assert said == [other]
