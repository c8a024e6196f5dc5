"""On which steps and samples SCAAT spends a search, and how much it counts: its amortised mode."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.checks import check_share

MOST_STEPS = 10**15
"""More than any training has, and few enough to be counted in an int64."""


def check_amortised(search_share: float, search_interval: float, delay_steps: float) -> None:
    """Raise `InputError` unless these are a share of a batch and whole numbers of steps."""
    if not 0.0 < search_share <= 1.0:
        raise InputError(f"search_share is {search_share!r}, expected a number above 0, at most 1")
    _check_steps("search_interval", search_interval, 1)
    _check_steps("delay_steps", delay_steps, 0)


def ramp_length(ramp_steps: int, ramp_share: float, training_steps: int | None) -> int:
    """Return the training steps over which the divergence's weight rises.

    Args:
        ramp_steps: Their number, or 0.
        ramp_share: Their share of the training, in [0, 1], or 0.
        training_steps: Of the whole training, at least 1; None where unknown.

    Raises:
        InputError: A value is out of range, both name a length, or the share is of a training of
            unknown length.
    """
    _check_steps("ramp_steps", ramp_steps, 0)
    check_share(ramp_share, "ramp_share")
    if not ramp_share:
        return ramp_steps
    if ramp_steps:
        raise InputError(
            f"ramp_steps is {ramp_steps} and ramp_share {ramp_share}, expected one of them: each "
            "says how long the weight rises"
        )
    if training_steps is None:
        raise InputError(
            f"ramp_share is {ramp_share} without training_steps, expected the number of steps of "
            "the whole training, or ramp_steps"
        )
    _check_steps("training_steps", training_steps, 1)
    return round(ramp_share * training_steps)


def _check_steps(name: str, value: float, least: int) -> None:
    if not (float(value).is_integer() and least <= value <= MOST_STEPS):
        raise InputError(
            f"{name} is {value!r}, expected a whole number from {least} to {MOST_STEPS:,}"
        )


def is_search_step(before: int, *, interval: int, delay: int) -> bool:
    """Tell whether a training step has a search: each ``interval``-th one after the delay.

    Args:
        before: Training steps made before this one.
        interval: m; 1 searches in every step.
        delay: Steps at the beginning that never do.
    """
    after = before + 1 - delay
    return after > 0 and after % interval == 0


def ramp(before: int, steps: int) -> float:
    """Return the share of its weight that the divergence has, in [0, 1].

    Args:
        before: Training steps made before this one.
        steps: Over which the share rises from 0 to 1; 0 for 1 from the beginning.
    """
    return min(before / steps, 1.0) if steps else 1.0


def searched_count(samples: int, share: float) -> int:
    """Return how many samples of a batch are searched: the share of it, rounded up.

    At least two, where there are two: batch norm has no variance over a single value.
    """
    wanted = math.ceil(round(share * samples, 6))  # 0.07 * 100 is 7.000000000000001
    return min(max(wanted, 2), samples)


def choose_samples(samples: int, count: int, device: torch.device) -> Tensor | None:
    """Choose samples of a batch at random, each set of that many being as likely as any other.

    The draw is from torch's global generator of the CPU, so that a seed gives the same choice on
    every device; whole batches take none.

    Args:
        samples: In the batch.
        count: To be chosen.
        device: Where the choice is needed.

    Returns:
        Positions in the batch, int64, shape (count,); None for all.
    """
    if count == samples:
        return None
    # From memory that is not pinned, this copy doesn't wait for the device's other work.
    return torch.randperm(samples)[:count].to(device, non_blocking=True)


def take(values: Tensor, chosen: Tensor | None) -> Tensor:
    """Return the chosen samples, in the memory format of the batch; None chooses all of it."""
    if chosen is None:
        return values
    found = values[chosen]
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        found = found.contiguous(memory_format=torch.channels_last)  # indexing forgets it
    return found
