"""Batches whose order depends on the seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from scaat.data import DataSplits, ImageSet, identity
from scaat.hardware import usable_cores
from scaat.options.training import TrainingOptions
from scaat.training.module import Batch
from scaat.training.sampling import ResumableSampler


def worker_count(images: ImageSet, wanted: int | None) -> int:
    """Return how many processes load a set's images.

    None where they are decoded already: a batch is then one copy, and handing it from process to
    process would be another. Else one a core that this process may use, 8 at most.
    """
    if wanted is not None:
        return wanted
    return min(usable_cores(), 8) if images.is_encoded else 0


def count_batches(samples: int, options: TrainingOptions, processes: int) -> int:
    """Return how many batches each process passes in a whole training.

    Args:
        samples: In the training set.
        options: Of the training.
        processes: Over all nodes.
    """
    each = -(-samples // processes)
    return -(-each // options.batch_size) * options.epochs


class Batches(L.LightningDataModule):
    """Training and validation loaders.

    Lightning asks for the loaders inside each process, where its rank is known. The processes'
    batches of one step, taken together, are one process's batch of that size.

    Args:
        splits: The data.
        batch_size: Training images in a batch of each process.
        seed: Of the order.
        workers: Processes that decode; see `worker_count`.
    """

    def __init__(
        self, splits: DataSplits, batch_size: int, seed: int, workers: int | None = None
    ) -> None:
        super().__init__()
        self.splits = splits
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers
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
        return self._loader(self.splits.train, self.batch_size, sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order, every process the whole set."""
        return self._loader(self.splits.validation, 500, None)

    def _loader(
        self, images: ImageSet, batch_size: int, sampler: ResumableSampler | None
    ) -> DataLoader[Batch]:
        assert self.trainer is not None
        workers = worker_count(images, self.workers)
        return DataLoader(
            images,
            batch_size,
            sampler=sampler,
            collate_fn=identity,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

    def state_dict(self) -> dict[str, Any]:
        """Return where in the epoch the training is, for the checkpoint."""
        assert self.trainer is not None
        progress = self.trainer.fit_loop.epoch_loop.batch_progress
        seen = 0 if progress.is_last_batch else progress.current.ready
        return {"epoch": self.trainer.current_epoch, "batches": seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's place."""
        self._seen = dict(state_dict)
