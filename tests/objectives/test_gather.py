"""Proportions in two processes equal those of one process with the same global batches."""

from __future__ import annotations

import datetime
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn

from scaat import SCAAT
from scaat.objectives.gather import VisitGatherer

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


def objective() -> SCAAT:
    # With epsilon 0 the outcome does not hang on a random start, which differs by process.
    return SCAAT(SAMPLES, epsilon=0.0, region_size=1, proportion_step=0.07)


def run(rank: int, world_size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    if world_size > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meeting",
            rank=rank,
            world_size=world_size,
            timeout=datetime.timedelta(seconds=300),
        )
    inputs, labels = data()
    method, net, history = objective(), model(), []
    for batch in batches():
        mine = batch[rank::world_size]  # uneven where the batch is odd
        method(net, inputs[mine], labels[mine], mine)
        history.append(method.proportion.clone())
    torch.save(history, folder / f"{world_size}-{rank}.pt")
    if world_size > 1:
        torch.save(wrapped(rank), folder / f"wrapped-{rank}.pt")
        distributed.destroy_process_group()


def wrapped(rank: int) -> dict[str, Tensor]:
    """Train under DistributedDataParallel, with buffers that it broadcasts in each forward."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    parallel = nn.parallel.DistributedDataParallel(net)
    method = SCAAT(SAMPLES, epsilon=0.1, steps=2, region_size=1, proportion_step=0.07)
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


def test_two_processes_equal_one(tmp_path: Path) -> None:
    run(0, 1, tmp_path)
    multiprocessing.spawn(run, (2, tmp_path), nprocs=2)
    single, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for expected, one, two in zip(single, first, second, strict=True):
        assert torch.equal(one, expected)
        assert torch.equal(two, expected)
    assert single[-1].unique().numel() > 3
    # Under DistributedDataParallel the gradients are averaged: weights stay equal, and so does q.
    one, two = (torch.load(tmp_path / f"wrapped-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    torch.manual_seed(3)
    assert not torch.equal(one["0.weight"], nn.Linear(6, 8).weight)


def test_without_processes_nothing_is_gathered() -> None:
    index, correct = torch.arange(3), torch.tensor([True, False, True])
    found = VisitGatherer()(index, correct)
    assert found[0] is index
    assert found[1] is correct
