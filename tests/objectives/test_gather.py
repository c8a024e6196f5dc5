"""Proportions in two processes equal those of one process with the same global batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.objectives.conftest import scaat
from torch import Tensor, distributed, nn

from scaat.objectives import SCAAT
from scaat.objectives.proportions import VisitGatherer
from scaat.training.devices import compile_model
from two_processes import in_two_processes

SAMPLES = 21


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(SAMPLES, 6, generator=generator), torch.arange(SAMPLES) % 3


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(6, 3)


def batches() -> list[Tensor]:
    """Shuffled, a short last one, and one that holds an index twice."""
    generator = torch.Generator().manual_seed(2)
    order = torch.randperm(SAMPLES, generator=generator)
    return [*order.split(8), torch.tensor([3, 3, 4, 20, 3])]


def counting(collective: Callable[..., object], calls: list[int]) -> Callable[..., object]:
    """Note the bytes that each call sends."""

    def call(*arguments: Any, **options: Any) -> object:
        calls.append(arguments[-1].nbytes)
        return collective(*arguments, **options)

    return call


def objective() -> SCAAT:
    # With epsilon 0 the outcome does not hang on a random start, which differs by process.
    return scaat(SAMPLES, epsilon=0.0, region_size=1, proportion_step=0.07)


def run(rank: int, folder: Path) -> None:
    world_size = distributed.get_world_size() if distributed.is_initialized() else 1
    inputs, labels = data()
    method, net, history, calls = objective(), model(), [], []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("all_gather", "all_reduce", "broadcast", "barrier", "all_gather_object"):
            patch.setattr(distributed, name, counting(getattr(distributed, name), calls))
        for batch in batches():
            mine = batch[rank::world_size]  # uneven where the batch is odd
            method(net, inputs[mine], labels[mine], mine)
            history.append(method.proportion.clone())
    torch.save((history, calls), folder / f"{world_size}-{rank}.pt")
    if world_size > 1:
        for compiled in (False, True):
            state = wrapped(rank, compiled=compiled)
            torch.save(state, folder / f"wrapped-{compiled}-{rank}.pt")


def wrapped(rank: int, *, compiled: bool) -> dict[str, Tensor]:
    """Train under DistributedDataParallel, with buffers that it broadcasts in each forward."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    if compiled:
        compile_model(net, "aot_eager")
    parallel = nn.parallel.DistributedDataParallel(net)
    method = scaat(SAMPLES, epsilon=0.1, steps=2, region_size=1, proportion_step=0.07)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    inputs, labels = data()
    for batch in batches():
        mine = batch[rank::2]
        loss = method(parallel, inputs[mine], labels[mine], mine).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = {name: parameter.detach() for name, parameter in net.named_parameters()}
    return state | {"proportion": method.proportion}


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    run(0, tmp_path)
    in_two_processes(run, tmp_path)
    (single, none), (first, calls), (second, others) = (
        torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1")
    )
    # Batches of 4, 4, 3 or 2, 3 or 2: the first step agrees on a length, then one gather each.
    assert none == []
    assert calls == others == [8, 40, 40, 40, 40]
    for expected, one, two in zip(single, first, second, strict=True):
        assert torch.equal(one, expected)
        assert torch.equal(two, expected)
    assert single[-1].unique().numel() > 3
    # Under DistributedDataParallel the gradients are averaged: weights stay equal, and so does q.
    one, two, three, four = (
        torch.load(tmp_path / f"wrapped-{compiled}-{rank}.pt")
        for compiled in (False, True)
        for rank in (0, 1)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(three[name], four[name]) for name in one)
    for name in one:  # the same, compiled
        torch.testing.assert_close(one[name], three[name])
    torch.manual_seed(3)
    assert not torch.equal(one["0.weight"], nn.Linear(6, 8).weight)


def test_samples_that_fill_a_batch_up_do_not_move() -> None:
    inputs, labels = data()
    method, net = objective(), model()
    index = torch.tensor([0, 1, 2, 0])
    counted = torch.tensor([True, True, True, False])
    method(net, inputs[index], labels[index], index, counted)
    expected = objective()
    expected(net, inputs[:3], labels[:3], index[:3])
    assert torch.equal(method.proportion, expected.proportion)
    assert not torch.equal(method.proportion[:3], torch.full((3,), 0.5))


def test_without_processes_nothing_is_gathered() -> None:
    index, correct = torch.arange(3), torch.tensor([True, False, True])
    found = VisitGatherer()(index, correct)
    assert found[0] is index
    assert found[1] is correct
