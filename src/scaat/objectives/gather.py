"""What every process saw in a step, gathered on all of them."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

_NOBODY = -1  # where a process's part is not full


class VisitGatherer:
    """Joins all processes' visits of each step by one collective.

    A process sends its number of visits and then the visits, 8 bytes each, in a part whose
    length all processes agree on: the largest batch of any of them so far. Every process reads
    from the numbers that came whether one had more, in which case the step gathers once more and
    all grow alike. So one small gather a step is the rule, and the first step has a second.
    """

    def __init__(self) -> None:
        self.capacity = 0

    def __call__(self, index: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
        """Return all processes' visits of one step, in the order of their ranks.

        Args:
            index: This process's sample positions, int64, shape (n,); n may differ by process.
            correct: Its outcomes, bool, shape (n,).

        Returns:
            Index and outcomes of all processes; the arguments themselves where
            ``torch.distributed`` is not in use.
        """
        if not (distributed.is_available() and distributed.is_initialized()):
            return index, correct
        if distributed.get_world_size() == 1:
            return index, correct
        # Both facts in one number, so that they travel together.
        visits = index * 2 + correct
        parts, largest = self._gather(visits)
        if largest > self.capacity:
            self.capacity = largest
            parts, _ = self._gather(visits)
        joined = torch.cat(parts)
        joined = joined[joined != _NOBODY]
        return joined // 2, joined % 2 == 1

    def _gather(self, visits: Tensor) -> tuple[list[Tensor], int]:
        """Return every process's part, and the largest number of visits."""
        sent = visits[: self.capacity]
        sent = F.pad(sent, (0, self.capacity - len(sent)), value=_NOBODY)
        message = torch.cat([sent.new_tensor([len(visits)]), sent])
        gathered = [torch.empty_like(message) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, message)
        largest = int(torch.stack([part[0] for part in gathered]).max())
        return [part[1:] for part in gathered], largest
