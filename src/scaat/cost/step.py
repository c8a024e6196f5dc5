"""A repeatable training step, its time and its peak memory."""

from __future__ import annotations

import copy
import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from scaat.objectives import Objective

Batch = tuple[Tensor, Tensor, Tensor]
"""Images in [0, 1], labels, and each one's position in the training set."""


def trial_copy(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a model as training has it: there, channels last, in training mode."""
    return copy.deepcopy(model).to(device).to(memory_format=torch.channels_last).train()


def idle_optimizer(model: nn.Module, momentum: float = 0.9) -> torch.optim.Optimizer:
    """Return SGD of the weights that train, at a rate of 0: no step may spoil the next one's."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.SGD(trained, lr=0.0, momentum=momentum)


@dataclass(frozen=True, eq=False)
class TrialStep:
    """An objective's step: forward, backward, and the optimiser's; all on the model's device.

    The objective is put in evaluation mode, in which every step is its own, whatever its interval.
    """

    model: nn.Module  # its weights stay; its batch-norm statistics and gradients change
    objective: Objective
    batch: Callable[[], Batch]  # called in each step
    optimizer: torch.optim.Optimizer  # an idle one, which several steps of one model may share
    autocast: torch.dtype | None = None  # where autocast says so; None for what the tensors have

    def __post_init__(self) -> None:
        self.objective.eval()

    def __call__(self) -> None:
        """Make the step."""
        images, labels, index = self.batch()
        with self._precision(images):
            loss = self.objective(self.model, images, labels, index).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def forward(self) -> None:
        """Run the model alone, without a graph."""
        images, _, _ = self.batch()
        with self._precision(images):
            self.model(images)

    def tensors(self) -> Iterator[Tensor]:
        """Yield what lasts from step to step: weights, buffers, momentum; and the batch."""
        for module in (self.model, self.objective):
            yield from module.parameters()
            yield from module.buffers()
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))
        yield from self.batch()

    def _precision(self, images: Tensor) -> torch.autocast:
        return torch.autocast(
            images.device.type, dtype=self.autocast, enabled=self.autocast is not None
        )


Step = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The middle half of some values.

    Attributes:
        median: Half of the values are lower.
        low: The first quartile.
        high: The third quartile.
    """

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles, between neighbours by their distance."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def turn_length(step: Step, seconds: float, device: torch.device) -> int:
    """Return how many repetitions of a warm step take about so long together, at least 1."""
    return max(math.ceil(seconds / max(timed(step, 1, device), 1e-6)), 1)


def interleaved(
    steps: Sequence[Step],
    *,
    rounds: int,
    repeats: int,
    device: torch.device,
    progress: Callable[[int], None] = lambda _: None,
) -> list[list[float]]:
    """Time steps by turns, the first, the second, ..., the first again, in seconds of a repetition.

    What slows the machine down for a while so falls on all of them, and the ratio of two times of
    one round is of the same while. Returned is a list for each round, a number for each step.
    """
    times = []
    for number in range(rounds):
        times.append([timed(step, repeats, device) / repeats for step in steps])
        progress(number + 1)
    return times


def timed(step: Step, repeats: int, device: torch.device) -> float:
    """Return the seconds of some repetitions, until the device has done them."""
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class TensorMemory(TorchDispatchMode):
    """Add up the bytes of the tensors that are alive, as operations make them and they go.

    A storage is counted once, however many tensors see it, for as long as anything keeps it:
    Python, a graph, an optimiser. What a kernel needs for itself while it runs is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0  # bytes now
        self.peak = 0  # the most so far
        self._known: set[int] = set()

    def add(self, tensor: Tensor) -> None:
        """Count a tensor from now on, unless it is counted already."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        # torch keeps a storage's Python object for as long as the storage itself.
        weakref.finalize(storage, self._remove, key, storage.nbytes())

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.alive -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count what it makes."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_iter(out):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return out


def peak_bytes(step: TrialStep, device: torch.device) -> int:
    """Return the most bytes held during steps: weights, momentum, batch, graphs and gradients.

    On a CUDA device those that torch's allocator gave away, with workspaces. Elsewhere
    `TensorMemory`, without workspaces or what ``torch.compile`` made. The step is made twice, since
    a second one begins with the first one's gradients.
    """
    step.optimizer.zero_grad()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        step()
        step()
        return int(torch.cuda.max_memory_allocated(device))
    memory = TensorMemory()
    with memory:
        for tensor in step.tensors():
            memory.add(tensor)
        step()
        step()
    return memory.peak
