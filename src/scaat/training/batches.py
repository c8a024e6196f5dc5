"""Batches whose order and random numbers depend on the seed and the step alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from scaat.data import DataSplits, ImageSet, identity
from scaat.data.image_set import Batch
from scaat.hardware import usable_cores
from scaat.options.training import TrainingOptions

SLICE = 4096  # positions that are Python numbers at once


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's generators for one training step of one process.

    Augmentation, dropout and the search's start then depend on the run's seed (at least 0), the
    batches before and the process alone, so a resumed run draws what the uninterrupted one would.
    """
    (state,) = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(state))


class ResumableSampler(DistributedSampler[Any]):
    """torch's sampler for several processes that can skip the beginning of one epoch.

    The order depends on the seed and the epoch alone, and is torch's. It is one tensor of 8 bytes
    a sample, where torch makes a list of some 40.
    """

    _cut: tuple[int, int] = (-1, 0)

    def resume_at(self, epoch: int, samples: int) -> None:
        """Skip this process's first ``samples`` of ``epoch``, which were seen already."""
        self._cut = (epoch, samples)

    def __iter__(self) -> Iterator[Any]:
        """Yield positions in the data set."""
        epoch, samples = self._cut
        count = len(self.dataset)  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        own = range(self.rank, self.total_size, self.num_replicas)
        for start in range(samples if self.epoch == epoch else 0, len(own), SLICE):
            places = torch.tensor(own[start : start + SLICE])
            yield from order[places % count].tolist()  # its beginning again is the padding


def worker_count(images: ImageSet, wanted: int | None) -> int:
    """Return how many processes load a set's images.

    0 for decoded images: a batch is then one copy, and passing it on would be another. Otherwise
    one per core that this process may use, at most 8.
    """
    if wanted is not None:
        return wanted
    return min(usable_cores(), 8) if images.is_encoded else 0


def count_batches(samples: int, options: TrainingOptions, processes: int) -> int:
    """Return how many batches each of the processes, over all nodes, passes in a whole training."""
    each = -(-samples // processes)
    return -(-each // options.batch_size) * options.epochs


def end_quietly(worker: int) -> None:
    """Let a process that loads images end without a word when the training has ended first.

    It hands tensors over in a thread, whose traceback of a lost connection would be the last
    that Ctrl-C prints.
    """
    hook = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError):
            hook(kind, error, trace)

    sys.excepthook = note


class Batches(L.LightningDataModule):
    """Training and validation loaders; ``workers`` are as in `worker_count`.

    Lightning asks for the loaders inside each process, where its rank is known. The processes'
    batches in one step, taken together, are one process's batch of that size.
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
        """Shuffled again in each epoch; the last batch may be short."""
        assert self.trainer is not None
        sampler = ResumableSampler(
            self.splits.train,
            self.trainer.world_size,
            self.trainer.global_rank,
            shuffle=True,
            seed=self.seed,
        )
        sampler.resume_at(self._seen["epoch"], self._seen["batches"] * self.batch_size)
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
            worker_init_fn=end_quietly,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

    def state_dict(self) -> dict[str, Any]:
        """Return where in the epoch the training is, for the checkpoint."""
        assert self.trainer is not None
        progress = self.trainer.fit_loop.epoch_loop.batch_progress
        seen = 0 if progress.is_last_batch else progress.current.ready
        return {"epoch": self.trainer.current_epoch, "batches": seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a checkpoint's place."""
        self._seen = dict(state_dict)


def real_samples(loader: object, batch_idx: int, size: int, device: torch.device) -> Tensor | None:
    """Mark a batch's real samples, as opposed to those that pad it to equal size on all processes.

    torch's ``DistributedSampler`` deals an epoch's order out in turn, and starts again from its
    beginning until all processes have as many samples: those are seen twice. The result for this
    batch of the training's loader is bool (size,), or None if all are real.
    """
    sampler, batch_size = getattr(loader, "sampler", None), getattr(loader, "batch_size", None)
    if not isinstance(sampler, DistributedSampler) or sampler.drop_last or batch_size is None:
        return None
    places = (batch_idx * batch_size + torch.arange(size)) * sampler.num_replicas + sampler.rank
    own = places < len(sampler.dataset)  # type: ignore[arg-type]
    return None if bool(own.all()) else own.to(device)


def loss_scale(
    batch_idx: int, *, batch_size: int, accumulate: int, samples: int, size: int
) -> float:
    """Return the factor that makes a step's gradient the mean over all its samples.

    Lightning divides each batch's mean loss by ``accumulate``, which is right for equal batches
    alone. An epoch's last batch may be short, and its last step may sum over fewer batches.
    ``batch_size`` and ``samples`` (of an epoch) are one process's; this batch has ``size``.
    """
    if accumulate == 1:  # the batches may then be of any sizes
        return 1.0
    first = batch_idx // accumulate * accumulate * batch_size
    together = min(accumulate * batch_size, samples - first)
    return accumulate * size / together
