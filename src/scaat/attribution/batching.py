"""How many images a differentiated pass may hold, and batches worked through in such parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

CPU_BUDGET = 2**30
"""Bytes that a pass may keep for its gradient where the device does not tell what is free."""

CUDA_SHARE = 0.5
"""Of the free memory; a pass needs more than what it keeps, such as the gradients themselves."""

_COPIES = 4  # of an image, beside what the model keeps: itself, perturbed, its gradient, their sum


def part_size(
    predict: Callable[[Tensor], Tensor], images: Tensor, resident: Iterable[Tensor]
) -> int:
    """Return how many of images (N, C, H, W) fit a differentiated pass, at least 1.

    Costs one forward pass of one image, to see what it keeps beside the ``resident`` tensors: the
    model's parameters and buffers.
    """
    if len(images) < 2:
        return 1
    needed = saved_bytes(predict, images[:1], resident) + _COPIES * images[0].nbytes
    return max(1, budget(images.device) // needed)


def budget(device: torch.device) -> int:
    """Return how many bytes a pass may keep for its gradient on this device."""
    if device.type != "cuda":
        return CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(CUDA_SHARE * (free + cached))


def saved_bytes(
    predict: Callable[[Tensor], Tensor], images: Tensor, resident: Iterable[Tensor]
) -> int:
    """Return how many bytes, beside the resident ones, a forward pass keeps for its gradient."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = predict(images)
    del output  # until here its graph held every storage, so that no address came twice
    for tensor in resident:
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(storages.values())


def in_parts(work: Callable[[slice], Tensor], count: int, size: int) -> Tensor:
    """Return the joined results of ``count`` images, worked through in parts of ``size``.

    Where a GPU's memory does not suffice the parts are halved, from there on.
    """
    results: list[Tensor] = []
    start = 0
    while start < count:
        try:
            results.append(work(slice(start, min(start + size, count))))
        except torch.cuda.OutOfMemoryError:
            if min(size, count - start) <= 1:
                raise
            size = (min(size, count - start) + 1) // 2
        else:
            start += size
            continue
        torch.cuda.empty_cache()  # here: the error no longer holds the tensors that did not fit
    return torch.cat(results)
