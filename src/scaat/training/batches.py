"""Batches whose order depends on the seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from scaat.data import DataSplits, identity
from scaat.training.module import Batch
from scaat.training.sampling import ResumableSampler


class Batches(L.LightningDataModule):
    """Training and validation loaders over images in memory.

    Lightning asks for the loaders inside each process, where its rank is known. The processes'
    batches of one step, taken together, are one process's batch of that size.

    Args:
        splits: The data.
        batch_size: Training images in a batch of each process.
        seed: Of the order.
    """

    def __init__(self, splits: DataSplits, batch_size: int, seed: int) -> None:
        super().__init__()
        self.splits = splits
        self.batch_size = batch_size
        self.seed = seed
        self._seen = {"epoch": 0, "batches": 0}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled anew in each epoch; the last batch may be short."""
        assert self.trainer is not None
        sampler = ResumableSampler(
            self.splits.train,
            self.trainer.world_size,
            self.trainer.global_rank,
            shuffle=True,
            seed=self.seed,
        )
        sampler.go_on(self._seen["epoch"], self._seen["batches"] * self.batch_size)
        return DataLoader(self.splits.train, self.batch_size, sampler=sampler, collate_fn=identity)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order, every process the whole set."""
        return DataLoader(self.splits.validation, batch_size=500, collate_fn=identity)

    def state_dict(self) -> dict[str, Any]:
        """Return where in the epoch the training is, for the checkpoint."""
        assert self.trainer is not None
        progress = self.trainer.fit_loop.epoch_loop.batch_progress
        seen = 0 if progress.is_last_batch else progress.current.ready
        return {"epoch": self.trainer.current_epoch, "batches": seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's place."""
        self._seen = dict(state_dict)
