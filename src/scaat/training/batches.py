"""Batches whose order depends on the seed and the epoch alone."""

from __future__ import annotations

import lightning as L
from torch.utils.data import DataLoader, DistributedSampler

from scaat.data import DataSplits, identity
from scaat.training.module import Batch


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

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled anew in each epoch; the last batch may be short."""
        assert self.trainer is not None
        sampler: DistributedSampler[Batch] = DistributedSampler(
            self.splits.train,
            self.trainer.world_size,
            self.trainer.global_rank,
            shuffle=True,
            seed=self.seed,
        )
        return DataLoader(self.splits.train, self.batch_size, sampler=sampler, collate_fn=identity)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order, every process the whole set."""
        return DataLoader(self.splits.validation, batch_size=500, collate_fn=identity)
