"""Each batch's share of an optimiser step that sums over several batches."""

from __future__ import annotations


def loss_scale(
    batch_idx: int, *, batch_size: int, accumulate: int, samples: int, size: int
) -> float:
    """Return the factor that makes a step's gradient the mean over all its samples.

    Lightning divides each batch's mean loss by ``accumulate``, which is right for equal batches
    alone. An epoch's last batch may be short, and its last step may sum over fewer batches.

    Args:
        batch_idx: The batch's number in its epoch.
        batch_size: Samples in a full batch, of one process.
        accumulate: Batches in a full step.
        samples: Of one process in an epoch.
        size: Samples in this batch.

    Returns:
        1 in a step of full batches.
    """
    first = batch_idx // accumulate * accumulate * batch_size
    together = min(accumulate * batch_size, samples - first)
    return accumulate * size / together
