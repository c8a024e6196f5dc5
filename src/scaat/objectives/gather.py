"""What every process saw in a step, gathered on all of them."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.nn import functional as F


def gather_visits(index: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """Join all processes' visits of one step, in the order of their ranks.

    Args:
        index: This process's sample positions, int64, shape (n,); n may differ by process.
        correct: Its outcomes, bool, shape (n,).

    Returns:
        Index and outcomes of all processes; the arguments themselves where
        ``torch.distributed`` is not in use.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return index, correct
    world_size = distributed.get_world_size()
    if world_size == 1:
        return index, correct
    size = torch.tensor([len(index)], device=index.device)
    sizes = [torch.empty_like(size) for _ in range(world_size)]
    distributed.all_gather(sizes, size)
    lengths = [int(length) for length in sizes]
    # Both facts in one number, so that they travel together.
    visits = F.pad(index * 2 + correct, (0, max(lengths) - len(index)))
    gathered = [torch.empty_like(visits) for _ in range(world_size)]
    distributed.all_gather(gathered, visits)
    joined = torch.cat([part[:length] for part, length in zip(gathered, lengths, strict=True)])
    return joined // 2, joined % 2 == 1
