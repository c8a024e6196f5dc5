"""Samples that fill the last batches of several processes up."""

from __future__ import annotations

import torch
from torch import Tensor


def counted_samples(
    batch_idx: int, *, batch_size: int, size: int, samples: int, processes: int, rank: int
) -> Tensor | None:
    """Tell a batch's own samples from those that only give every process as many.

    torch's ``DistributedSampler`` deals the order of an epoch out in turn, and goes back to its
    beginning until all processes have the same number: those samples are seen twice.

    Args:
        batch_idx: The batch's number in its epoch.
        batch_size: Samples in a full batch, of one process.
        size: Samples in this batch.
        samples: In the training set.
        processes: In all.
        rank: This process's number.

    Returns:
        bool (size,), or None where all are the batch's own.
    """
    places = (batch_idx * batch_size + torch.arange(size)) * processes + rank
    own = places < samples
    return None if bool(own.all()) else own
