"""Means over an epoch that a checkpoint in its middle keeps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, distributed


class EpochMeans:
    """Running sums of a step's figures, weighted by the number of samples in its batch.

    Each figure is averaged over the steps that have it. One that is the mean over a part of a batch
    stands for the whole batch, so it has that weight.

    Lightning's own means begin anew when a run goes on in the middle of an epoch.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._samples: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor], samples: int) -> None:
        """Add one batch's means, scalars on any device, without waiting for it."""
        for name, value in values.items():
            # Apple's GPUs have no float64.
            wide = torch.float32 if value.device.type == "mps" else torch.float64
            term = value.detach().to(wide) * samples
            self._sums[name] = self._sums[name] + term if name in self._sums else term
            self._samples[name] = self._samples.get(name, 0) + samples

    def joined(self) -> dict[str, Tensor]:
        """Return the means over all processes, float32, and begin anew.

        NaN stands for a figure that came before, but in no step since the last call.
        """
        names = list(self._sums)
        found = self._packed()
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(found)
        sums, samples = found.chunk(2)
        self._sums = dict(zip(names, torch.zeros_like(sums), strict=True))
        self._samples = dict.fromkeys(names, 0)
        return dict(zip(names, (sums / samples).float(), strict=True))

    def state(self) -> dict[str, object]:
        """Return the sums of all processes, a row each; all have to call it."""
        if not self._sums:
            return {"names": [], "sums": None}
        found = self._packed()
        rows = [found]
        if distributed.is_available() and distributed.is_initialized():
            rows = [torch.empty_like(found) for _ in range(distributed.get_world_size())]
            distributed.all_gather(rows, found)
        return {"names": list(self._sums), "sums": torch.stack(rows).cpu()}

    def load(self, state: Mapping[str, object], rank: int, device: torch.device) -> None:
        """Go on from the sums of a process."""
        names, sums = state["names"], state["sums"]
        assert isinstance(names, list)
        self._sums, self._samples = {}, {}
        if isinstance(sums, Tensor):
            row = sums[rank]
            # An older checkpoint has one number of samples for all.
            samples = row[len(names) :].expand(len(names))
            self._sums = dict(zip(names, row[: len(names)].to(device), strict=True))
            self._samples = dict(zip(names, map(int, samples.tolist()), strict=True))

    def _packed(self) -> Tensor:
        sums = torch.stack(list(self._sums.values()))
        return torch.cat([sums, sums.new_tensor([self._samples[name] for name in self._sums])])
