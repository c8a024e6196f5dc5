"""The most memory that a step holds at a time."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from scaat.cost.step import TrialStep


class TensorMemory(TorchDispatchMode):
    """Add up the bytes of the tensors that are alive, as operations make them and they go.

    A storage is counted once, however many tensors see it, for as long as anything keeps it:
    Python, a graph, an optimiser. What a kernel needs for itself while it runs is not seen.

    Attributes:
        alive: Bytes now.
        peak: The most bytes so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0
        self.peak = 0
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

    On a CUDA device what torch's allocator has given away, workspaces included, by
    `torch.cuda.max_memory_allocated`. Elsewhere the bytes of the tensors that are alive, by
    `TensorMemory`, which sees no workspaces, and nothing of what ``torch.compile`` made.

    Args:
        step: Made twice, since a second step begins with the first one's gradients.
        device: Where it runs.
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
