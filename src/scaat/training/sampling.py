"""The order of an epoch, from its beginning or from where a run was cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DistributedSampler


class ResumableSampler(DistributedSampler[Any]):
    """torch's sampler for several processes, which can leave out the beginning of one epoch.

    The order depends on the seed and the epoch alone.
    """

    _cut: tuple[int, int] = (-1, 0)

    def go_on(self, epoch: int, samples: int) -> None:
        """Leave out this process's first ``samples`` of ``epoch``, which were seen already."""
        self._cut = (epoch, samples)

    def __iter__(self) -> Iterator[Any]:
        """Yield positions in the data set."""
        epoch, samples = self._cut
        order = list(super().__iter__())
        return iter(order[samples:] if self.epoch == epoch else order)
