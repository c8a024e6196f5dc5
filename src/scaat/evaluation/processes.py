"""Several processes evaluate one model: each takes some batches, and all receive every result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import distributed
from torchmetrics import Metric

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of an evaluation, in a group of `torch.distributed` unless there is one.

    Whole batches are divided, so each is computed as by one process, and results keep its order.
    """

    rank: int = 0
    count: int = 1
    group: distributed.ProcessGroup | None = None  # with the CPU; None for the default group

    def own(self, parts: Sequence[T]) -> Sequence[T]:
        """Return the parts that this process works on: every ``count``-th."""
        return parts[self.rank :: self.count]

    def whole(self, own: list[T]) -> list[T]:
        """Return the results of all parts in their order, from each process's own."""
        if self.count == 1:
            return own
        lists: list[list[T]] = [[]] * self.count
        distributed.all_gather_object(lists, own, group=self.group)
        total = sum(map(len, lists))
        return [lists[part % self.count][part // self.count] for part in range(total)]

    def gather(self, metric: Metric) -> None:
        """Let a metric hold the values of all parts; it keeps a list with one entry a part."""
        if self.count > 1:
            for name, state in metric.metric_state.items():
                if isinstance(state, list):
                    setattr(metric, name, self.whole([values.cpu() for values in state]))


ALONE = Processes()
